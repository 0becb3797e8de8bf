/** Short messages in a corner; at most four at once. */
import { ref } from 'vue'

export type Tone = 'info' | 'success' | 'warning' | 'error'

export interface Toast {
  id: number
  tone: Tone
  text: string
}

const LIMIT = 4
let next = 1

export const toasts = ref<Toast[]>([])

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id)
}

export function toast(tone: Tone, text: string, milliseconds = 4000): void {
  const id = next++
  toasts.value = [...toasts.value, { id, tone, text }].slice(-LIMIT)
  setTimeout(() => dismiss(id), milliseconds)
}
