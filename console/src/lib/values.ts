/** Between what the API says and what an input holds. */
import type { Field, Row } from '../state/catalogue'

export type Draft = Record<string, string | boolean | string[]>

export class NotReadable extends Error {
  constructor(readonly field: string) {
    super(field)
  }
}

const pad = (n: number): string => String(n).padStart(2, '0')

/** `2026-01-31T09:05` in this machine's zone, as an input of kind datetime-local wants it. */
function localInput(instant: string): string {
  const d = new Date(instant)
  const day = `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`
  return `${day}T${pad(d.getHours())}:${pad(d.getMinutes())}`
}

function toInput(field: Field, value: unknown): string | boolean | string[] {
  if (field.kind === 'boolean') return value === true
  if (field.kind === 'list') return Array.isArray(value) ? value.map(String) : []
  if (value === null || value === undefined) return ''
  if (field.kind === 'json') return JSON.stringify(value, null, 2)
  return field.kind === 'instant' ? localInput(String(value)) : String(value)
}

export function draft(fields: Field[], row: Partial<Row> = {}): Draft {
  return Object.fromEntries(fields.map((f) => [f.name, toInput(f, row[f.name])]))
}

function figure(field: Field, text: string): number {
  if (!Number.isFinite(Number(text))) throw new NotReadable(field.name)
  return Number(text)
}

function lines(field: Field, input: string[]): unknown[] {
  const said = input.map((line) => line.trim()).filter(Boolean)
  return field.items === 'integer' || field.items === 'number' ? said.map((line) => figure(field, line)) : said
}

function fromInput(field: Field, input: Draft[string]): unknown {
  if (Array.isArray(input)) return lines(field, input)
  if (typeof input === 'boolean') return input
  const text = field.kind === 'prose' ? input : input.trim()
  if (text === '') return field.nullable ? null : undefined
  switch (field.kind) {
    case 'integer':
    case 'number':
      return figure(field, text)
    case 'instant':
      return new Date(text).toISOString()
    case 'json':
      try {
        return JSON.parse(text)
      } catch {
        throw new NotReadable(field.name)
      }
    default:
      return text
  }
}

/** The body of a request: what differs from the draft that the form began with. */
export function body(fields: Field[], now: Draft, before?: Draft): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const field of fields) {
    const value = now[field.name] ?? ''
    const same = before && JSON.stringify(before[field.name]) === JSON.stringify(value)
    if (same) continue
    const said = fromInput(field, value)
    const leaveOut = said === undefined || (!before && said === null)
    if (!leaveOut) out[field.name] = said
  }
  return out
}
