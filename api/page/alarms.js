/** Alarms of this gateway, gravest first: seen, closed and shelved here count at the centre too. */
import { allowed, ask, field } from './dialogs.js'
import { h, keyed, mark, say } from './dom.js'
import { get, post } from './gateway.js'
import { moment, t, word } from './words.js'

const MINUTES = [15, 60, 480, 1440]
const TONES = { critical: 'error', error: 'error', warning: 'warning', info: 'info' }

export function alarms(root) {
  const none = h('p', { class: 'card soft', 'data-testid': 'no-alarms' }, t('alarms.none'))
  const list = h('ul', { class: 'plain stack', 'data-testid': 'alarms' })
  root.append(none, list)
  const show = keyed(list, (a) => a.id, item)

  async function tick() {
    const known = (await get('/alarms')).alarms
    none.hidden = known.length > 0
    show(known)
  }

  return { tick }
}

function item(first) {
  let alarm = first
  const grave = h('span', { class: 'badge' })
  const status = h('span', { class: 'tag' })
  const facts = h('p', { class: 'soft', dir: 'auto' })
  const message = h('strong', { dir: 'auto' })
  const path = `/alarms/${encodeURIComponent(first.id)}`
  const note = () => h('input', { class: 'input', name: 'note', maxlength: 1000, 'data-testid': 'alarm-note' })
  const seen = h('button', { class: 'btn btn--primary btn--small', type: 'button', 'data-testid': 'alarm-acknowledge', onclick: () => words('acknowledge') }, t('alarms.acknowledge'))
  const shelve = h('button', { class: 'btn btn--small', type: 'button', 'data-testid': 'alarm-shelve', onclick: shelving }, t('alarms.shelve'))

  const words = (verb) =>
    allowed(() => ask({ title: t(`alarms.${verb}`), text: alarm.message, fields: [field(t('alarms.note'), note())], go: t(`alarms.${verb}`), testid: 'alarm-words', act: (given) => post(`${path}/${verb}`, { note: given.note, occurrence: alarm.occurrence }) }))

  function shelving() {
    if (alarm.masked) return allowed(() => post(`${path}/shelve`, { minutes: 0 }))
    const minutes = h('select', { class: 'input', name: 'minutes' }, MINUTES.map((n) => h('option', { value: n, selected: n === 60 }, t('alarms.minutes', { n }))))
    return allowed(() => ask({ title: t('alarms.shelve'), text: alarm.message, fields: [field(t('alarms.howlong'), minutes), field(t('alarms.note'), note())], go: t('alarms.shelve'), testid: 'alarm-words', act: (given) => post(`${path}/shelve`, { minutes: Number(given.minutes), note: given.note }) }))
  }

  const element = h('li', { class: 'card alarm', 'data-testid': `alarm-${first.device}.${first.point}` }, h('div', { class: 'card__head' }, grave, message, status, h('span', { class: 'grow' }), seen, shelve), facts)
  return {
    element,
    show(now) {
      alarm = now
      grave.className = `badge badge--${TONES[now.severity] ?? 'info'}`
      say(grave, word('severity', now.severity))
      say(message, now.message)
      say(status, now.masked ? t('alarms.shelved', { at: moment(now.masked.until) }) : word('status', now.status))
      mark(element, 'data-status', now.status)
      mark(element, 'data-masked', now.masked ? 'yes' : null)
      seen.hidden = now.status !== 'active' && now.status !== 'cleared'
      say(shelve, t(now.masked ? 'alarms.unshelve' : 'alarms.shelve'))
      say(facts, story(now))
    },
  }
}

function story(alarm) {
  const parts = [t('alarms.raised', { at: moment(alarm.raised_at) })]
  if (alarm.occurrence > 1) parts.push(t('alarms.times', { n: alarm.occurrence }))
  if (alarm.cleared_at) parts.push(t('alarms.cleared', { at: moment(alarm.cleared_at) }))
  const seen = alarm.acknowledged
  if (seen) parts.push(t('alarms.seen', { by: seen.by, at: moment(seen.at) }) + (seen.note ? `: ${seen.note}` : ''))
  return parts.join(' · ')
}
