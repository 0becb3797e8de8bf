/** Live values for a page: the newest of each point, whether they can be believed, how old they are. */
import { onScopeDispose, ref, shallowRef, triggerRef, watch, type Ref } from 'vue'

import { Feed, serverNow, type FeedState, type Reading, type Which } from '../api/feed'
import type { Row } from '../state/catalogue'

const TICK = 1000
const SCANS = 5
const SOONEST = 15_000
const UNKNOWN_SCAN = 300_000

export type Trust = 'good' | 'doubtful' | 'bad' | 'stale' | 'none'

/** Milliseconds after which a point of this scan interval should long have said something. */
export function patience(point: Row): number {
  const scan = Number(point['scan_rate_ms'] ?? 0)
  return scan ? Math.max(SOONEST, SCANS * scan) : UNKNOWN_SCAN
}

/** Whether a value may be taken for the present one. A lost line makes every value stale. */
export function trust(reading: Reading | undefined, limit: number, now: number, state: FeedState): Trust {
  if (!reading) return 'none'
  if (reading.quality === 'bad') return 'bad'
  const old = now - new Date(reading.time).getTime() > limit
  if (reading.quality === 'stale' || old || state === 'lost') return 'stale'
  return reading.quality === 'good' || reading.quality === 'clock_suspect' ? 'good' : 'doubtful'
}

export function useReadings(which: Ref<Which | null>) {
  const readings = shallowRef(new Map<string, Reading>())
  const state = ref<FeedState>('connecting')
  const refused = ref('')
  const now = ref(serverNow())
  const listeners = new Set<(fresh: Reading[]) => void>()
  let frame = 0

  const feed = new Feed<Reading, Which>('scada', 'readings', {
    items(fresh) {
      for (const reading of fresh) readings.value.set(reading.point_id, reading)
      for (const listener of listeners) listener(fresh)
      frame ||= requestAnimationFrame(() => {
        frame = 0
        now.value = serverNow()
        triggerRef(readings)
      })
    },
    state(value) { state.value = value },
    refused(message) { refused.value = message },
  })
  const clock = window.setInterval(() => (now.value = serverNow()), TICK)
  watch(which, (wanted) => { if (wanted) feed.watch(wanted) }, { immediate: true })
  onScopeDispose(() => {
    feed.close()
    clearInterval(clock)
    cancelAnimationFrame(frame)
  })
  return { readings, state, refused, now, onFresh: (f: (fresh: Reading[]) => void) => listeners.add(f) }
}

export type Live = ReturnType<typeof useReadings>
