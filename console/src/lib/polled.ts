/** Data that a page asks for again and again: what it is, since when it has been right, and what went wrong. */
import { computed, onScopeDispose, ref, shallowRef, type Ref } from 'vue'

import { serverNow } from '../api/feed'
import { words } from './problems'

const MISSED = 3
const TICK = 1000

export interface Polled<T> {
  data: Ref<T | undefined>
  problem: Ref<string>
  at: Ref<number>
  now: Ref<number>
  isOld: Ref<boolean>
  load: () => Promise<void>
}

export function usePolled<T>(ask: () => Promise<T>, every: number): Polled<T> {
  const data = shallowRef<T>()
  const problem = ref('')
  const at = ref(0)
  const now = ref(serverNow())
  const isOld = computed(() => at.value > 0 && now.value - at.value > MISSED * every)
  let turn = 0

  async function load(): Promise<void> {
    const mine = ++turn
    try {
      const found = await ask()
      if (mine !== turn) return
      data.value = found
      at.value = serverNow()
      problem.value = ''
    } catch (error) {
      if (mine === turn) problem.value = words(error)
    }
  }
  void load()
  const timers = [window.setInterval(() => void load(), every), window.setInterval(() => (now.value = serverNow()), TICK)]
  onScopeDispose(() => {
    turn++
    timers.forEach(clearInterval)
  })
  return { data, problem, at, now, isOld, load }
}
