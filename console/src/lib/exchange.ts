/** Whole lists out and in, and one verb on many rows. */
import { file, post, request } from '../api/client'
import type { Resource, Verb } from '../state/catalogue'

export const FORMATS = ['csv', 'xlsx', 'ndjson'] as const
export type Format = (typeof FORMATS)[number]

export interface Refusal {
  row: number
  field: string
  code: string
  message: string
}

export interface Report {
  id: string | null
  dry_run: boolean
  rows: number
  created: number
  ignored: string[]
  errors: Refusal[]
}

export interface Undone {
  removed: number
  kept: { id: string; reason: string }[]
}

/** Give a file to the person in front of the browser. */
export function save(name: string, data: Blob): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(data)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

export async function exported(res: Resource, query: Record<string, string>, format: Format): Promise<void> {
  const found = await file(`${res.path}?${new URLSearchParams({ ...query, format })}`)
  save(found.name, found.data)
}

const kindOf = (name: string): string => (/\.(ndjson|jsonl)$/i.test(name) ? 'application/x-ndjson' : 'text/csv')

/** The import's report; one that refuses rows comes as a refusal too, and is read from it. */
export async function imported(res: Resource, given: File, dry: boolean): Promise<Report> {
  const body = new Blob([given], { type: kindOf(given.name) })
  const reply = await request<Report>('POST', `${res.path}/import?dry_run=${dry}`, body, {
    'Content-Type': kindOf(given.name), ...(dry ? {} : { 'Idempotency-Key': crypto.randomUUID() }),
  })
  return reply.data
}

export const undo = (res: Resource, id: string): Promise<Undone> => post<Undone>(`${res.path}/imports/${id}/undo`)

/** A table with the fields that a new row may have, as the first line of a file to fill in. */
export const template = (res: Resource): Blob =>
  new Blob([`${res.fields.filter((f) => f.creatable !== false).map((f) => f.name).join(',')}\r\n`], { type: 'text/csv' })

/** What can be done to many rows at once. */
export const bulkVerbs = (res: Resource): Verb[] =>
  (res.actions ?? []).filter((verb) => verb.item !== false && verb.method === 'POST')

export const bulk = (res: Resource, name: string, ids: string[], body?: Record<string, unknown>): Promise<{ done: number }> =>
  post(`${res.path}/bulk/${name}`, { ids, ...(body ? { body } : {}) })
