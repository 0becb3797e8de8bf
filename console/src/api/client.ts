/** The one way to the API: bearer token in memory, one refresh at a time, errors with the server's words. */

const BASE = '/api/v1'
const TIME_LIMIT = 30_000

export interface FieldError {
  field: string
  message: string
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
let refreshing: Promise<boolean> | null = null
let signedOut: () => void = () => {}

export const session = {
  get token(): string | null {
    return token
  },
  use(value: string | null): void {
    token = value
  },
  onSignedOut(handler: () => void): void {
    signedOut = handler
  },
}

function cookie(name: string): string | undefined {
  return document.cookie.split('; ').find((c) => c.startsWith(`${name}=`))?.slice(name.length + 1)
}

function headers(body: unknown, extra: Record<string, string>): Record<string, string> {
  const all: Record<string, string> = { Accept: 'application/json', ...extra }
  if (body !== undefined) all['Content-Type'] = 'application/json'
  if (token) all['Authorization'] = `Bearer ${token}`
  const csrf = cookie('busbar_csrf')
  if (csrf) all['X-CSRF-Token'] = csrf
  return all
}

async function send(method: string, path: string, body: unknown, extra: Record<string, string>): Promise<Response> {
  try {
    return await fetch(`${BASE}${path}`, {
      method,
      headers: headers(body, extra),
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
      signal: AbortSignal.timeout(TIME_LIMIT),
    })
  } catch (cause) {
    throw new Offline('offline', { cause })
  }
}

/** Try once to get a new access token by the refresh cookie; parallel callers share the attempt. */
export function refresh(): Promise<boolean> {
  refreshing ??= send('POST', '/auth/refresh', undefined, {})
    .then(async (reply) => {
      if (!reply.ok) return false
      token = ((await reply.json()) as { access_token: string }).access_token
      return true
    })
    .finally(() => {
      refreshing = null
    })
  return refreshing
}

async function failure(reply: Response): Promise<ApiError> {
  const problem = await reply.json().catch(() => ({}))
  return new ApiError(
    reply.status,
    problem.error ?? problem.detail ?? reply.statusText,
    problem.code ?? '',
    problem.details ?? [],
    Number(reply.headers.get('Retry-After') ?? 0),
  )
}

export interface Reply<T> {
  data: T
  etag: string | null
}

/** Send a request; a 401 is repeated once with a refreshed token. Throws ApiError or Offline. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  extra: Record<string, string> = {},
): Promise<Reply<T>> {
  let reply = await send(method, path, body, extra)
  if (reply.status === 401 && !path.startsWith('/auth/')) {
    if (await refresh()) reply = await send(method, path, body, extra)
    else signedOut()
  }
  if (!reply.ok) throw await failure(reply)
  const data = reply.status === 204 ? undefined : await reply.json()
  return { data: data as T, etag: reply.headers.get('ETag') }
}

export const get = async <T>(path: string): Promise<T> => (await request<T>('GET', path)).data
export const post = async <T>(path: string, body?: unknown): Promise<T> =>
  (await request<T>('POST', path, body, { 'Idempotency-Key': crypto.randomUUID() })).data
