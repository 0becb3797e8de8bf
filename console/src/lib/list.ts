/** The state of one list: it lives in the address, so back, reload and sharing keep it. */
import { computed, onScopeDispose, ref, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { learnReferences, list, type Page } from '../api/rows'
import { readable, type Field, type Resource } from '../state/catalogue'
import { build, parse, type Filter } from './filters'
import { words } from './problems'
import { stored } from './stored'

const SHOWN = 7
const STATES = new Set(['status', 'state', 'severity'])
const LAST = new Set(['id', 'revision', 'created_at', 'updated_at'])
const EMPTY: Page = { items: [], total: 0, page: 1, limit: 20, pages: 0, next_cursor: null }

/** What a person wants to see first: short fields, in the order of the table. */
function usual(resource: Resource): string[] {
  const short = readable(resource).filter((f) => !LAST.has(f.name) && f.kind !== 'prose' && f.kind !== 'json' && f.kind !== 'list' && (f.kind !== 'uuid' || f.ref))
  const state = short.filter((f) => STATES.has(f.name))
  const others = short.filter((f) => !STATES.has(f.name))
  return [...others.slice(0, SHOWN - state.length), ...state].map((f) => f.name)
}

export function useList(resource: Resource) {
  const route = useRoute()
  const router = useRouter()
  const page = ref<Page>(EMPTY)
  const loading = ref(true)
  const problem = ref('')
  const columns = stored<string[]>(`columns_${resource.key}`, usual(resource))

  const text = (name: string): string => (typeof route.query[name] === 'string' ? (route.query[name] as string) : '')
  const filters = computed(() => parse(route.query, resource))
  const search = computed(() => text('q'))
  const sort = computed(() => text('sort') || resource.sort?.[0] || '')
  const limit = computed(() => Number(text('limit')) || 50)
  const number = computed(() => Number(text('page')) || 1)
  const shown = computed(() => columns.value.map((name) => readable(resource).find((f) => f.name === name)).filter((f): f is Field => f !== undefined))

  function go(changes: { filters?: Filter[]; q?: string; sort?: string; page?: number; limit?: number }): void {
    const rest = { q: search.value, sort: text('sort'), limit: text('limit'), page: undefined, ...changes, filters: undefined }
    void router.replace({ query: build(changes.filters ?? filters.value, rest) })
  }

  let latest = 0
  async function load(): Promise<void> {
    const turn = ++latest
    loading.value = true
    const query = build(filters.value, { q: search.value, sort: sort.value, limit: limit.value, page: number.value })
    try {
      const found = await list(resource, new URLSearchParams(query))
      if (turn !== latest) return
      page.value = found
      problem.value = ''
      await learnReferences(resource, found.items)
    } catch (error) {
      if (turn === latest) problem.value = words(error)
    } finally {
      if (turn === latest) loading.value = false
    }
  }

  const here = route.path
  watch(() => route.query, () => { if (route.path === here) void load() }, { immediate: true })
  window.addEventListener('online', load)
  onScopeDispose(() => window.removeEventListener('online', load))
  return { page, loading, problem, columns, shown, filters, search, sort, limit, number, go, load }
}
