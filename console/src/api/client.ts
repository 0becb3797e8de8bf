/** The one way to the API: bearer token in memory, one refresh at a time, errors with the server's words. */
import { connection } from '../state/connection'

const BASE = '/api/v1'
const TIME_LIMIT = 30_000
const LONG_LIMIT = 600_000
/** Browsers carry at most 64 KiB beyond the life of a page. */
const KEEPABLE = 16_000

export interface FieldError {
  field: string
  message: string
}

interface Problem {
  error?: string
  detail?: string
  error_code?: string
  field?: string
  details?: FieldError[] | Record<string, unknown>
}

/** What the server refused and why; `fields` belong beside the inputs. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code = '',
    readonly fields: FieldError[] = [],
    readonly retryAfter = 0,
  ) {
    super(message)
  }
}

/** No answer at all: cable, server or proxy. */
export class Offline extends Error {}

let token: string | null = null
let expires = 0
let refreshing: Promise<boolean> | null = null
let signedOut: () => void = () => undefined
let forbidden: () => void = () => undefined

export interface Granted {
  access_token: string
  expires_in: number
}

export const session = {
  get token(): string | null {
    return token
  },
  /** When the access token ends, in milliseconds since 1970 by this machine's clock. */
  get expires(): number {
    return expires
  },
  use(granted: Granted | null): void {
    token = granted?.access_token ?? null
    expires = granted ? Date.now() + granted.expires_in * 1000 : 0
  },
  onSignedOut(handler: () => void): void {
    signedOut = handler
  },
  /** What was offered is refused: a permission was withdrawn meanwhile. */
  onForbidden(handler: () => void): void {
    forbidden = handler
  },
}

function headers(body: unknown, extra: Record<string, string>): Record<string, string> {
  const all: Record<string, string> = { Accept: 'application/json', ...extra }
  if (body !== undefined && !(body instanceof Blob)) all['Content-Type'] = 'application/json'
  if (token) all['Authorization'] = `Bearer ${token}`
  return all
}

async function send(method: string, path: string, body: unknown, extra: Record<string, string>): Promise<Response> {
  const sent = body === undefined ? null : body instanceof Blob ? body : JSON.stringify(body)
  try {
    const reply = await fetch(`${BASE}${path}`, {
      method,
      headers: headers(body, extra),
      body: sent,
      // What a person has just changed is kept, even when he leaves the page at once.
      keepalive: method === 'PUT' && typeof sent === 'string' && sent.length < KEEPABLE,
      credentials: 'same-origin',
      signal: AbortSignal.timeout(body instanceof Blob || extra['Accept'] ? LONG_LIMIT : TIME_LIMIT),
    })
    connection.value = 'online'
    return reply
  } catch (cause) {
    connection.value = 'offline'
    throw new Offline('offline', { cause })
  }
}

let csrf: string | null = null

/** Send what relies on the refresh cookie: it has to show that a page of ours sends it. */
export async function withCookie(path: string): Promise<Response> {
  for (let fresh = csrf === null; ; fresh = true) {
    if (fresh) {
      const reply = await send('GET', '/system/csrf-token', undefined, {})
      csrf = reply.ok ? ((await reply.json()) as { csrf_token: string }).csrf_token : ''
    }
    const reply = await send('POST', path, {}, { 'X-CSRF-Token': csrf ?? '' })
    if (reply.status !== 403 || fresh) return reply
  }
}

/** Try once to get a new access token by the refresh cookie; parallel callers share the attempt. */
export function refresh(): Promise<boolean> {
  refreshing ??= withCookie('/auth/refresh')
    .then(async (reply) => {
      if (!reply.ok) return false
      session.use((await reply.json()) as Granted)
      return true
    })
    .finally(() => {
      refreshing = null
    })
  return refreshing
}

/** The fields that a refusal names, whichever of its two forms the server chose. */
export function fieldErrors(problem: Problem): FieldError[] {
  if (Array.isArray(problem.details)) return problem.details
  const field = problem.details?.['field'] ?? problem.field
  return typeof field === 'string' && field ? [{ field, message: problem.error ?? '' }] : []
}

async function failure(reply: Response): Promise<ApiError> {
  const problem = (await reply.json().catch(() => ({}))) as Problem
  return new ApiError(
    reply.status,
    problem.error ?? problem.detail ?? reply.statusText,
    problem.error_code ?? '',
    fieldErrors(problem),
    Number(reply.headers.get('Retry-After') ?? 0),
  )
}

export interface Reply<T> {
  data: T
  etag: string | null
}

async function asked(method: string, path: string, body: unknown, extra: Record<string, string>): Promise<Response> {
  const used = token
  let reply = await send(method, path, body, extra)
  if (reply.status === 401 && path !== '/auth/login') {
    if (token !== used || (await refresh())) reply = await send(method, path, body, extra)
    if (reply.status === 401) signedOut()
  }
  if (reply.status === 403) forbidden()
  if (!reply.ok) throw await failure(reply)
  return reply
}

/** Send a request; a 401 is repeated once with a refreshed token. Throws ApiError or Offline. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  extra: Record<string, string> = {},
): Promise<Reply<T>> {
  const reply = await asked(method, path, body, extra)
  const data = reply.status === 204 ? undefined : await reply.json()
  return { data: data as T, etag: reply.headers.get('ETag') }
}

export const get = async <T>(path: string): Promise<T> => (await request<T>('GET', path)).data
export const post = async <T>(path: string, body?: unknown): Promise<T> =>
  (await request<T>('POST', path, body, { 'Idempotency-Key': crypto.randomUUID() })).data
export const put = async <T>(path: string, body?: unknown): Promise<T> => (await request<T>('PUT', path, body)).data

/** A file that the server makes, and the name that it gives it. */
export async function file(path: string): Promise<{ name: string; data: Blob }> {
  const reply = await asked('GET', path, undefined, { Accept: '*/*' })
  const said = /filename="([^"]+)"/.exec(reply.headers.get('Content-Disposition') ?? '')
  return { name: said?.[1] ?? 'busbar', data: await reply.blob() }
}
