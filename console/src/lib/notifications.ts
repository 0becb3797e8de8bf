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

/** How many are unread, for the bell and the page alike. */
export const unread = ref(0)
/** Goes up with whatever comes while one is here. */
export const arrived = ref(0)

export async function count(): Promise<void> {
  if (document.hidden) return
  const found = await get<{ unread: number }>('/notifications/count').catch(() => null)
  if (found) unread.value = found.unread
}
export const latest = (shown: number, unreadOnly = false): Promise<{ items: Told[]; total: number | null }> =>
  get(`/notifications?limit=${shown}${unreadOnly ? '&is_read=false' : ''}`)
export async function read(item: Told): Promise<void> {
  if (item.is_read) return
  await request('PUT', `/notifications/${item.id}/read`, {})
  item.is_read = true
  await count()
}
export async function readAll(): Promise<void> {
  await request('PUT', '/notifications/read-all', {})
  await count()
}
export async function forget(item: Told): Promise<void> {
  await request('DELETE', `/notifications/${item.id}`)
  await count()
}

/** Hear of what comes, for as long as the shell stands. */
export function useNews(): void {
  const feed = new Feed<Told, object>('notifications', 'notification', {
    items(fresh) {
      for (const item of fresh) if (item.title) toast('info', item.title)
      arrived.value++
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
}
