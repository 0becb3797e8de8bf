/** Who is signed in, and what they may do. */
import { ref } from 'vue'

import { get, post, refresh, session, withCookie, type Granted } from '../api/client'
import { t } from '../i18n'
import { forgetCatalogue, loadCatalogue } from './catalogue'
import { forgetPreferences, loadPreferences } from './preferences'
import { permits } from './permissions'
import { toast } from './toasts'

export interface User {
  id: string
  email: string
  username: string | null
  full_name: string | null
  roles: string[]
  permissions: string[]
}

export interface Credentials {
  username: string
  password: string
  remember: boolean
  code?: string
}

const PAUSE = 5_000
const LONG = 10_000

export const user = ref<User | null>(null)

export const may = (permission: string): boolean => permits(user.value?.permissions ?? [], permission)

async function load(): Promise<void> {
  const [me] = await Promise.all([get<User>('/auth/me'), loadCatalogue(), loadPreferences()])
  user.value = me
}

let looked = 0

/** Learn anew what one may do, after the server refused something that was offered. */
export async function relearn(): Promise<void> {
  if (!user.value || Date.now() - looked < PAUSE) return
  looked = Date.now()
  const before = user.value.permissions.join()
  await load().catch(() => undefined)
  if (user.value.permissions.join() !== before) toast('warning', t('error.withdrawn'), LONG)
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

const dropped: (() => void)[] = []

/** Do this when the session ends. */
export const onForget = (drop: () => void): void => { dropped.push(drop) }

export function forget(): void {
  session.use(null)
  user.value = null
  forgetCatalogue()
  forgetPreferences()
  for (const drop of dropped) drop()
}

export async function signOut(): Promise<void> {
  await withCookie('/auth/logout').catch(() => undefined)
  forget()
}
