/** The gateway's API: one way to ask it, who is signed in, and whether it still answers. */
import { t } from './words.js'

const BASE = '/api/v1/local'
const LONGEST = 10_000 // ms
export const session = { possible: false, reads: false, signed_in: false, by: '', csrf: '' }
/** lost: since when the gateway does not answer (ms), or null. */
export const contact = { lost: null, last: Date.now() }
const listeners = new Set()

export class Problem extends Error {
  constructor(status, detail) {
    super(detail)
    this.status = status
  }
}

/** Called after every change of the session or of the contact. */
export function onChange(listener) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function changed() {
  for (const listener of listeners) listener()
}

async function send(method, path, body) {
  const headers = {}
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET' && session.csrf) headers['X-CSRF-Token'] = session.csrf
  let answer
  try {
    answer = await fetch(BASE + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(method === 'GET' ? LONGEST : 6 * LONGEST),
    })
  } catch {
    if (contact.lost === null) {
      contact.lost = contact.last
      changed()
    }
    throw new Problem(0, t('problem.silent'))
  }
  contact.last = Date.now()
  if (contact.lost !== null) {
    contact.lost = null
    changed()
  }
  return answer
}

async function read(answer) {
  const body = await answer.json().catch(() => ({}))
  if (answer.ok) return body
  if (answer.status === 401 && session.signed_in) take({ ...session, signed_in: false, csrf: '' })
  throw new Problem(answer.status, body.detail ?? `${answer.status} ${answer.statusText}`)
}

export const get = async (path) => read(await send('GET', path))
export const post = async (path, body = {}) => read(await send('POST', path, body))

function take(standing) {
  Object.assign(session, standing)
  changed()
}

export async function learn() {
  take(await get('/session'))
}

export async function signIn(password, by) {
  take(await post('/session', { password, by }))
}

export async function signOut() {
  take(await read(await send('DELETE', '/session')))
}

export const point = (key, verb) => `/points/${encodeURIComponent(key)}/${verb}`

/** The frames of a channel as they come; `end()` closes it. ended: it broke off by itself. */
export function frames(channel, take, ended) {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  const socket = new WebSocket(`${scheme}://${location.host}${BASE}/trace/${encodeURIComponent(channel)}/stream?layers=all`)
  let closed = false
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data)
    if (frame.hex !== undefined) take(frame)
  }
  socket.onclose = () => closed || ended()
  return () => {
    closed = true
    socket.close()
  }
}
