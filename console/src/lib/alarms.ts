/** The alarms that somebody has to look at, as they are now: gravest first, then the newest. */
import { computed, effectScope, onScopeDispose, ref, shallowRef, type EffectScope } from 'vue'

import { get } from '../api/client'
import { Feed, serverNow, type FeedState } from '../api/feed'
import { learnReferences } from '../api/rows'
import { resource, type Row } from '../state/catalogue'
import { onForget } from '../state/session'
import { words } from './problems'

export const SEVERITIES = ['critical', 'error', 'warning', 'info']
export const SHAPES: Record<string, string> = { critical: '◆', error: '▲', warning: '●', info: '○' }
const MOST = 1000
const TICK = 1000

export const isWaiting = (row: Row): boolean => row['status'] === 'active' || row['status'] === 'cleared'
const isMasked = (row: Row, now: number): boolean =>
  typeof row['masked_until'] === 'string' && new Date(row['masked_until']).getTime() > now
const rank = (row: Row): number => SEVERITIES.indexOf(String(row['severity']))

/** Gravest first; of one severity those that wait for an answer, then the newest. */
export function order(rows: Row[]): Row[] {
  return [...rows].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      Number(isWaiting(b)) - Number(isWaiting(a)) ||
      String(b['raised_at']).localeCompare(String(a['raised_at'])),
  )
}

/** The list after news: what was closed goes, the newer revision of a row counts. */
export function merge(known: ReadonlyMap<string, Row>, fresh: Row[]): Map<string, Row> {
  const out = new Map(known)
  for (const row of fresh) {
    const before = out.get(row.id)
    if (before && Number(before['revision']) > Number(row['revision'])) continue
    if (row['status'] === 'closed') out.delete(row.id)
    else out.set(row.id, row)
  }
  return out
}

function follow() {
  const res = resource('scada.alarms')
  const rows = shallowRef<Map<string, Row>>(new Map())
  const state = ref<FeedState>('connecting')
  const refused = ref('')
  const problem = ref('')
  const loaded = ref(false)
  const masked = ref(false)
  const now = ref(serverNow())
  const waiting = computed(() => [...rows.value.values()].filter((row) => isWaiting(row) && !isMasked(row, now.value)))
  const shown = computed(() => order([...rows.value.values()].filter((row) => masked.value || !isMasked(row, now.value))))

  async function load(): Promise<void> {
    try {
      const found = await get<{ items: Row[] }>(`/scada/alarms/active?masked=true&limit=${MOST}`)
      rows.value = merge(new Map(), found.items)
      problem.value = ''
      if (res) await learnReferences(res, found.items)
    } catch (error) {
      problem.value = words(error)
    } finally {
      loaded.value = true
    }
  }

  const feed = new Feed<Row, object>('scada', 'alarms', {
    items(fresh) {
      rows.value = merge(rows.value, fresh)
      if (res) void learnReferences(res, fresh).catch(() => undefined)
    },
    state(value) {
      const back = value === 'live' && state.value !== 'live'
      state.value = value
      if (back) void load()
    },
    refused(message) { refused.value = message },
  })
  feed.watch({})
  const clock = window.setInterval(() => (now.value = serverNow()), TICK)
  onScopeDispose(() => {
    feed.close()
    clearInterval(clock)
  })
  return { shown, waiting, state, refused, now, problem, loaded, masked, load }
}

export type Alarms = ReturnType<typeof follow>
let kept: { scope: EffectScope; alarms: Alarms } | null = null
onForget(() => {
  kept?.scope.stop()
  kept = null
})

/** The alarms of this session: one line to the centre for the bar and every page. */
export function useAlarms(): Alarms {
  if (!kept) {
    const scope = effectScope(true)
    kept = { scope, alarms: scope.run(follow) as Alarms }
  }
  return kept.alarms
}
