/** Who is signed in, and what they may do. */
import { ref } from 'vue'

import { get, post, refresh, session, withCookie, type Granted } from '../api/client'
import { forgetCatalogue, loadCatalogue } from './catalogue'
import { permits } from './permissions'

export interface User {
  id: string
  email: string
  username: string | null
  full_name: string | null
  permissions: string[]
}

export interface Credentials {
  username: string
  password: string
  remember: boolean
}

export const user = ref<User | null>(null)

export const may = (permission: string): boolean => permits(user.value?.permissions ?? [], permission)

async function load(): Promise<void> {
  const [me] = await Promise.all([get<User>('/auth/me'), loadCatalogue()])
  user.value = me
}

/** Take up a session that the refresh cookie still holds. */
export async function restore(): Promise<boolean> {
  if (user.value) return true
  const held = await refresh().catch(() => false)
  if (held) await load()
  return held
}

export async function signIn(credentials: Credentials): Promise<void> {
  session.use(await post<Granted>('/auth/login', credentials))
  await load()
}

export function forget(): void {
  session.use(null)
  user.value = null
  forgetCatalogue()
}

export async function signOut(): Promise<void> {
  await withCookie('/auth/logout').catch(() => undefined)
  forget()
}
