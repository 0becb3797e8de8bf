/** Readings of the gateway's own history as a file. */
import { field } from './dialogs.js'
import { h } from './dom.js'
import { t } from './words.js'

const HOUR = 3_600_000

export function exporting(root) {
  const input = (given) => h('input', { class: 'input', ...given })
  const since = input({ type: 'datetime-local', step: 1, value: local(Date.now() - 24 * HOUR), 'data-testid': 'export-from' })
  const until = input({ type: 'datetime-local', step: 1, value: local(Date.now() + 60_000) })
  const match = input({ type: 'search', dir: 'ltr', 'data-testid': 'export-match' })
  const form = h('select', { class: 'input', 'data-testid': 'export-format' }, h('option', { value: 'csv' }, 'CSV'), h('option', { value: 'ndjson' }, 'NDJSON'))
  const link = h('a', { class: 'btn btn--primary', 'data-testid': 'export-go', download: true, onclick: aim }, t('export.go'))

  function aim() {
    const asked = new URLSearchParams({ from: instant(since), to: instant(until), match: match.value.trim(), format: form.value })
    link.href = `/api/v1/local/export?${asked}`
  }

  aim()
  for (const each of [since, until, match, form]) each.addEventListener('input', aim)
  root.append(
    h(
      'div',
      { class: 'card form' },
      h('p', { class: 'soft' }, t('export.text')),
      h('div', { class: 'form__row' }, field(t('export.from'), since), field(t('export.to'), until)),
      h('div', { class: 'form__row' }, field(t('export.match'), match, t('export.hint')), field(t('export.format'), form)),
      h('div', { class: 'actions actions--start' }, link),
    ),
  )
  return {}
}

/** ms → what an input of local time wants. */
function local(ms) {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

const instant = (input) => new Date(input.value || Date.now()).toISOString()
