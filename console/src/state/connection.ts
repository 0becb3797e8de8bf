/** Whether the server answers; set by the client and by the browser's own events. */
import { ref } from 'vue'

export const connection = ref<'online' | 'offline'>('online')

export function followConnection(): void {
  connection.value = navigator.onLine ? 'online' : 'offline'
  window.addEventListener('online', () => (connection.value = 'online'))
  window.addEventListener('offline', () => (connection.value = 'offline'))
}
