/** The resources that the server describes: what generic screens are drawn from. */
import { computed, shallowRef } from 'vue'

import { get } from '../api/client'
import { label, language } from '../i18n'

export type Texts = Partial<Record<string, string>>

export interface Choice {
  value: string
  label: Texts
}

export interface Field {
  name: string
  label: Texts
  kind: string
  required?: boolean
  nullable?: boolean
  readable?: boolean
  creatable?: boolean
  editable?: boolean
  ref?: string
  options?: Choice[]
  items?: string
  default?: unknown
  minimum?: number
  maximum?: number
  min_length?: number
  max_length?: number
  pattern?: string
  hint?: string
}

export interface Verb {
  name: string
  label: Texts
  method: string
  path: string
  summary?: string
  item?: boolean
  start?: string[]
  end?: string
  body?: Field[]
}

export interface Resource {
  key: string
  plugin: string
  name: string
  path: string
  label: Texts
  display: string
  fields: Field[]
  operations: string[]
  actions?: Verb[]
  filters?: string[]
  sort?: string[]
  search?: string[]
}

export type Row = Record<string, unknown> & { id: string }

interface MenuGroup {
  plugin: string
  label: Texts
  items: { key: string; label: Texts }[]
}

const resources = shallowRef<Map<string, Resource>>(new Map())
const groups = shallowRef<MenuGroup[]>([])
export const plugins = shallowRef<ReadonlySet<string>>(new Set())

export async function loadCatalogue(): Promise<void> {
  const [described, menu] = await Promise.all([
    get<{ items: Resource[] }>('/console/resources'),
    get<{ items: MenuGroup[]; plugins: string[] }>('/console/menu'),
  ])
  resources.value = new Map(described.items.map((r) => [r.key, r]))
  groups.value = menu.items
  plugins.value = new Set(menu.plugins)
}

export function forgetCatalogue(): void {
  resources.value = new Map()
  groups.value = []
  plugins.value = new Set()
}

export const resource = (key: string): Resource | undefined => resources.value.get(key)
export const can = (res: Resource, operation: string): boolean => res.operations.includes(operation)
export const readable = (res: Resource): Field[] => res.fields.filter((f) => f.readable !== false)
/** A name such as `reconciliation/items` is one part of an address of the console. */
export const listPath = (res: Resource): string => `/${res.plugin}/${res.name.replaceAll('/', '_')}`
/** The resource that an address of the console names. */
export const addressed = (plugin: string, name: string): Resource | undefined => resource(`${plugin}.${name.replaceAll('_', '/')}`)
export const rowPath = (res: Resource, id: string): string => `${listPath(res)}/${id}`

/** How people call a row. */
export function title(res: Resource, row: Row): string {
  return String(row[`${res.display}_${language.value}`] ?? row[res.display] ?? row.id)
}

/** Resources with a field that points at this one and can be narrowed by it. */
export function pointingAt(key: string): { resource: Resource; field: Field }[] {
  return [...resources.value.values()].flatMap((other) =>
    other.fields
      .filter((field) => field.ref === key && other.filters?.includes(field.name))
      .map((field) => ({ resource: other, field })),
  )
}

export const menu = computed(() =>
  groups.value.map((group) => ({
    key: group.plugin,
    title: label(group.label, group.plugin),
    items: group.items.map((item) => item.key),
  })),
)
