/** Live values: what the gateway holds of every point, how old it is and how far to trust it. */
import { h, keyed, mark, say } from './dom.js'
import { get } from './gateway.js'
import { openPoint } from './point.js'
import { number, quality, span, t } from './words.js'

const MOST = 300

export function values(root) {
  const known = new Map()
  const search = h('input', { class: 'input', type: 'search', placeholder: t('values.search'), 'aria-label': t('values.search'), 'data-testid': 'values-search', oninput: () => tick() })
  const shown = h('p', { class: 'soft', role: 'status' })
  const body = h('tbody')
  const rows = keyed(body, (p) => p.key, (point) => row(point, () => openPoint(known.get(point.key) ?? point)))
  root.append(
    h('div', { class: 'toolbar' }, search, shown),
    h('div', { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': t('menu.values') }, h('table', { class: 'table', 'data-testid': 'values' }, h('thead', {}, h('tr', {}, ['point', 'value', 'quality', 'age'].map((c) => h('th', { scope: 'col', class: c === 'value' || c === 'age' ? 'num' : '' }, t(`column.${c}`))))), body)),
  )

  async function tick() {
    if (!known.size) for (const point of (await get('/catalogue')).points) known.set(point.key, point)
    const asked = search.value.trim()
    const found = await get(`/points?limit=${MOST}&match=${encodeURIComponent(asked)}`)
    if (asked !== search.value.trim()) return
    rows(found.points.map((p) => ({ ...p, ...about(known.get(p.key), p) })))
    const all = found.total
    say(shown, all > MOST ? t('values.some', { n: MOST, all }) : t('values.all', { n: all }))
  }

  return { tick }
}

/** What a state is called, and what the point is. */
function about(point, now) {
  return { word: point?.states?.[String(now.value)], description: point?.description ?? '', writable: point?.writable ?? false }
}

/** A value with its unit or the word for it; nothing is not zero. */
export function shownValue(now, states = {}) {
  if (now.value === null || now.value === undefined) return '–'
  const meaning = states[String(now.value)]
  const figure = typeof now.value === 'number' ? number(now.value) : String(now.value)
  return meaning ? `${meaning} (${figure})` : `${figure}${now.unit ? ` ${now.unit}` : ''}`
}

function row(first, open) {
  const name = h('button', { class: 'link', type: 'button', dir: 'ltr', 'data-testid': `point-${first.key}`, onclick: open }, first.key)
  const value = h('td', { class: 'num value', dir: 'ltr' })
  const state = h('span', { class: 'quality' })
  const age = h('td', { class: 'num soft' })
  const element = h('tr', {}, h('td', {}, name, first.writable && h('span', { class: 'tag' }, t('values.writable'))), value, h('td', {}, state), age)
  return {
    element,
    show(point) {
      const trust = quality(point.quality, point.stale)
      mark(element, 'data-quality', trust.tone)
      say(value, shownValue(point, point.word ? { [String(point.value)]: point.word } : {}))
      say(state, trust.words)
      say(age, point.age === undefined ? '–' : span(point.age))
    },
  }
}
