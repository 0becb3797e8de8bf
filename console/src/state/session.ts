/** Who is signed in, and what they may do. */
import { computed, ref } from 'vue'

import { get, post, refresh, session } from '../api/client'

export interface User {
  id: string
  username: string
  full_name?: string | null
  email?: string | null
  permissions: string[]
}

export interface Credentials {
  username: string
  password: string
  remember: boolean
  totp?: string
}

export const user = ref<User | null>(null)
export const signedIn = computed(() => user.value !== null)

/** `scada.points.read` is granted by itself, `scada.points.*`, `scada.*` or `*`. */
export function may(permission: string): boolean {
  const held = new Set(user.value?.permissions ?? [])
  if (held.has('*') || held.has(permission)) return true
  const parts = permission.split('.')
  return parts.some((_, n) => n > 0 && held.has(`${parts.slice(0, n).join('.')}.*`))
}

async function load(): Promise<void> {
  user.value = await get<User>('/auth/me')
}

/** Take up a session that the refresh cookie still holds. */
export async function restore(): Promise<boolean> {
  if (user.value) return true
  const held = await refresh().catch(() => false)
  if (held) await load()
  return held
}

export async function signIn(credentials: Credentials): Promise<void> {
  const reply = await post<{ access_token: string }>('/auth/login', credentials)
  session.use(reply.access_token)
  await load()
}

export async function signOut(): Promise<void> {
  await post('/auth/logout').catch(() => undefined)
  session.use(null)
  user.value = null
}
