/** Filters of a list as its query string says them: `field__operator=value`. */
import type { Field, Resource } from '../state/catalogue'

export type Operator = '' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte' | 'in' | 'null' | 'prefix'

export interface Filter {
  field: string
  operator: Operator
  value: string
}

const RESERVED = new Set(['page', 'limit', 'sort', 'q', 'cursor'])
const OPERATORS = new Set<string>(['', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'null', 'prefix'])
const ORDERED: Operator[] = ['', 'gte', 'lte', 'null']

/** What a person may ask of a field of this kind. */
export function operators(field: Field): Operator[] {
  const empty: Operator[] = field.nullable ? ['null'] : []
  switch (field.kind) {
    case 'boolean':
    case 'uuid':
      return ['', ...empty]
    case 'choice':
      return ['', 'ne', ...empty]
    case 'text':
    case 'prose':
      return ['prefix', '', 'ne', ...empty]
    default:
      return ORDERED.filter((o) => o !== 'null' || field.nullable)
  }
}

export function parse(query: Record<string, unknown>, resource: Resource): Filter[] {
  const known = new Set([...(resource.filters ?? []), 'id'])
  return Object.entries(query).flatMap(([key, value]) => {
    if (RESERVED.has(key) || typeof value !== 'string') return []
    const [field = '', operator = ''] = key.split('__')
    return known.has(field) && OPERATORS.has(operator) ? [{ field, operator: operator as Operator, value }] : []
  })
}

export const keyOf = (filter: Filter): string =>
  filter.operator ? `${filter.field}__${filter.operator}` : filter.field

/** The query of a list: everything but empty values, filters under their keys. */
export function build(filters: Filter[], rest: Record<string, string | number | undefined>): Record<string, string> {
  const query: Record<string, string> = {}
  for (const [key, value] of Object.entries(rest)) if (value !== undefined && value !== '') query[key] = String(value)
  for (const filter of filters) if (filter.value !== '') query[keyOf(filter)] = filter.value
  return query
}
