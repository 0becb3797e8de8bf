/** Rows of described resources, and the names of what they point at. */
import { reactive } from 'vue'

import { resource, title, type Resource, type Row } from '../state/catalogue'
import { get, request, type Reply } from './client'

export interface Page {
  items: Row[]
  total: number | null
  page: number | null
  limit: number
  pages: number | null
  next_cursor: string | null
}

const MOST = 100

export const list = (res: Resource, query: URLSearchParams): Promise<Page> =>
  get<Page>(`${res.path}?${query}`)

/** All rows that match, page by page; `most` guards against lists without an end. */
export async function all(res: Resource, query: Record<string, string>, most = 2000): Promise<Row[]> {
  const rows: Row[] = []
  const wanted = new URLSearchParams({ ...query, limit: String(MOST) })
  for (;;) {
    const page = await list(res, wanted)
    rows.push(...page.items)
    if (!page.next_cursor || rows.length >= most) return rows
    wanted.set('cursor', page.next_cursor)
  }
}

export const one = (res: Resource, id: string): Promise<Reply<Row>> =>
  request<Row>('GET', `${res.path}/${id}`)

export const ifMatch = (etag: string | null): Record<string, string> => (etag ? { 'If-Match': etag } : {})

const names = reactive(new Map<string, string>())
const asked = new Set<string>()

/** The name of a row that a field points at; its id until the name has come. */
export const nameOf = (key: string, id: string): string => names.get(`${key}/${id}`) ?? id.slice(0, 8)

/** Fetch the names of rows that are not known yet, in as few requests as possible. */
export async function learnNames(key: string, ids: Iterable<string>): Promise<void> {
  const res = resource(key)
  if (!res) return
  const fresh = [...new Set(ids)].filter((id) => !asked.has(`${key}/${id}`))
  for (let start = 0; start < fresh.length; start += MOST) {
    const part = fresh.slice(start, start + MOST)
    for (const id of part) asked.add(`${key}/${id}`)
    const query = new URLSearchParams({ id__in: part.join(','), limit: String(MOST) })
    const page = await list(res, query)
    for (const row of page.items) names.set(`${key}/${row.id}`, title(res, row))
  }
}

/** Learn what the reference fields of these rows point at. */
export async function learnReferences(res: Resource, rows: Row[]): Promise<void> {
  const wanted = res.fields.filter((field) => field.ref)
  await Promise.all(
    wanted.map((field) =>
      learnNames(field.ref ?? '', rows.map((row) => row[field.name]).filter((id) => typeof id === 'string')),
    ),
  )
}

export function renamed(key: string, id: string, name: string): void {
  names.set(`${key}/${id}`, name)
}
