import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { ApiError, fieldErrors, Offline, request, session } from '../src/api/client'
import { connection } from '../src/state/connection'

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers })

/** A server that knows one good token and gives out the next one on refresh. */
function server(refreshable = true) {
  let good = 'new'
  const calls: string[] = []
  const fetch = vi.fn(async (url: string, init: RequestInit) => {
    calls.push(`${init.method} ${url}`)
    await Promise.resolve()
    const headers = init.headers as Record<string, string>
    if (url.endsWith('/system/csrf-token')) return answer(200, { csrf_token: 'ours' })
    if (url.endsWith('/auth/refresh')) {
      if (headers['X-CSRF-Token'] !== 'ours') return answer(403, { error: 'not from the console' })
      return refreshable ? answer(200, { access_token: good, expires_in: 900 }) : answer(401, { error: 'ended' })
    }
    const sent = headers['Authorization']
    return sent === `Bearer ${good}` ? answer(200, { url }, { ETag: '"3"' }) : answer(401, { error: 'expired' })
  })
  vi.stubGlobal('fetch', fetch)
  return { calls, revoke: () => { good = 'other' } }
}

beforeEach(() => session.use({ access_token: 'old', expires_in: 900 }))
afterEach(() => session.onSignedOut(() => undefined))

describe('an expired access token', () => {
  test('is refreshed once for five parallel requests, and all five succeed', async () => {
    const { calls } = server()
    const replies = await Promise.all([1, 2, 3, 4, 5].map((n) => request('GET', `/x/${n}`)))
    expect(replies.map((r) => r.data)).toHaveLength(5)
    expect(calls.filter((c) => c.includes('refresh'))).toHaveLength(1)
  })

  test('ends the session when it cannot be refreshed', async () => {
    server(false)
    const out = vi.fn()
    session.onSignedOut(out)
    await expect(request('GET', '/x')).rejects.toMatchObject({ status: 401 })
    expect(out).toHaveBeenCalledOnce()
  })

  test('is not asked for a second time when the new one is refused too', async () => {
    const { calls, revoke } = server()
    revoke()
    vi.mocked(fetch).mockImplementationOnce(async () => answer(401, {}))
    vi.mocked(fetch).mockImplementationOnce(async () => answer(200, { access_token: 'stale', expires_in: 900 }))
    await expect(request('GET', '/x')).rejects.toBeInstanceOf(ApiError)
    expect(calls).toHaveLength(1)
  })
})

test('the revision of a row comes with it', async () => {
  server()
  session.use({ access_token: 'new', expires_in: 900 })
  expect((await request('GET', '/x')).etag).toBe('"3"')
})

test('no answer at all is told apart from a refusal and turns the banner on', async () => {
  vi.stubGlobal('fetch', vi.fn().mockRejectedValue(new TypeError('failed')))
  await expect(request('GET', '/x')).rejects.toBeInstanceOf(Offline)
  expect(connection.value).toBe('offline')
})

test('fields of a refusal are found in both of its forms', () => {
  expect(fieldErrors({ details: [{ field: 'code', message: 'no' }] })).toEqual([{ field: 'code', message: 'no' }])
  expect(fieldErrors({ error: 'taken', details: { field: 'code' } })).toEqual([{ field: 'code', message: 'taken' }])
  expect(fieldErrors({ error: 'no', details: {} })).toEqual([])
})
