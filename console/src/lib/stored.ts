/** What this browser remembers of a person's arrangement; never data, never secrets. */
import { ref, watch, type Ref } from 'vue'

export function stored<T>(key: string, initial: T): Ref<T> {
  const name = `busbar_${key}`
  let found = initial
  try {
    found = JSON.parse(localStorage.getItem(name) ?? '') as T
  } catch {
    // nothing stored, or nothing that can be read
  }
  const value = ref(found) as Ref<T>
  watch(value, (now) => localStorage.setItem(name, JSON.stringify(now)), { deep: true })
  return value
}
