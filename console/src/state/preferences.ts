/** What a person arranged for himself; kept by the server, so that it is there at every desk. */
import { effectScope, ref, watch, type Ref } from 'vue'

import { get, request } from '../api/client'
import { words } from '../lib/problems'
import { toast } from './toasts'

type Kept = Record<string, unknown>

const shown = new Map<string, { value: Ref<unknown>; initial: unknown }>()
let known: Kept = {}
let pending: Kept = {}
let saving: Promise<void> | null = null

async function save(): Promise<void> {
  const changes = pending
  pending = {}
  saving = null
  try {
    await request('PUT', '/identity/preferences', { console: changes })
  } catch (error) {
    toast('error', words(error))
  }
}

/** Take up what the server keeps; what was changed here and not yet saved stays. */
export async function loadPreferences(): Promise<void> {
  const found = await get<{ console?: Kept }>('/identity/preferences').catch(() => ({ console: {} }))
  known = { ...(found.console ?? {}), ...pending }
  for (const [key, { value, initial }] of shown) {
    const wanted = known[key] ?? initial
    if (JSON.stringify(wanted) !== JSON.stringify(value.value)) value.value = wanted
  }
}

export function forgetPreferences(): void {
  known = {}
  pending = {}
  shown.clear()
}

/** One arrangement; a change is kept shortly after. Lists are kept whole. */
export function preference<T>(key: string, initial: T): Ref<T> {
  const held = shown.get(key)
  if (held) return held.value as Ref<T>
  const value = ref(known[key] ?? initial) as Ref<T>
  shown.set(key, { value, initial })
  effectScope(true).run(() => watch(value, (now) => {
    if (shown.get(key)?.value !== value || JSON.stringify(now) === JSON.stringify(known[key])) return
    known[key] = JSON.parse(JSON.stringify(now)) as unknown
    pending[key] = known[key]
    if (!saving) saving = Promise.resolve().then(save)
  }, { deep: true }))
  return value
}
