/** What one was told, and what of it is unread. */
import { onScopeDispose, ref } from 'vue'

import { get, request } from '../api/client'
import { Feed } from '../api/feed'
import { toast } from '../state/toasts'

export interface Told {
  id: string
  type_code: string
  title: string
  message: string
  action_url: string | null
  action_label: string | null
  is_read: boolean
  created_at: string
}

const AGAIN = 60_000
const SHOWN = 20

export function useNotifications() {
  const unread = ref(0)
  const items = ref<Told[]>([])

  async function count(): Promise<void> {
    if (document.hidden) return
    const found = await get<{ unread: number }>('/notifications/count').catch(() => null)
    if (found) unread.value = found.unread
  }
  async function load(): Promise<void> {
    items.value = (await get<{ items: Told[] }>(`/notifications?limit=${SHOWN}`)).items
  }
  async function read(item: Told): Promise<void> {
    if (item.is_read) return
    item.is_read = true
    await request('PUT', `/notifications/${item.id}/read`, {})
    await count()
  }
  async function readAll(): Promise<void> {
    await request('PUT', '/notifications/read-all', {})
    await Promise.all([load(), count()])
  }

  const feed = new Feed<Told, object>('notifications', 'notification', {
    items(fresh) {
      for (const item of fresh) if (item.title) toast('info', item.title)
      void count()
    },
    state: () => undefined,
    refused: () => undefined,
  })
  feed.watch({})
  void count()
  const timer = window.setInterval(() => void count(), AGAIN)
  const back = (): void => void count()
  document.addEventListener('visibilitychange', back)
  onScopeDispose(() => {
    feed.close()
    clearInterval(timer)
    document.removeEventListener('visibilitychange', back)
  })
  return { unread, items, load, read, readAll }
}
