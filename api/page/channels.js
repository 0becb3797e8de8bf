/** Channels: what they are doing, what they last said, and how well they keep their periods. */
import { allowed, ask } from './dialogs.js'
import { fill, h, keyed, mark, say } from './dom.js'
import { get, post } from './gateway.js'
import { bytes, moment, number, span, t, word } from './words.js'

const TONES = { online: 'success', connecting: 'warning', backoff: 'error', faulted: 'error', stopped: 'warning', disabled: '' }

export function channels(root) {
  const list = h('div', { class: 'stack' })
  root.append(list)
  const show = keyed(list, (c) => c.name, card)
  return { tick: async () => show((await get('/channels')).channels) }
}

function card(first) {
  const state = h('span', { class: 'badge' })
  const facts = h('p', { class: 'soft' })
  const error = h('p', { class: 'alert alert--error', hidden: true, dir: 'auto' })
  const devices = h('tbody')
  const polls = h('tbody')
  const power = h('button', { class: 'btn btn--small', type: 'button' })
  const again = h('button', { class: 'btn btn--small', type: 'button', onclick: () => allowed(() => post(`/channels/${encodeURIComponent(first.name)}/restart`), t('channels.restarted')) }, t('channels.restart'))
  const trace = h('a', { class: 'btn btn--small', href: `#wire/${encodeURIComponent(first.name)}` }, t('menu.wire'))
  const showDevices = keyed(devices, (d) => d.name, deviceRow)
  const showPolls = keyed(polls, (p) => `${p.device} ${p.period}`, pollRow)
  const timing = h('details', {}, h('summary', {}, t('channels.timing')), table(t('channels.timing'), ['device', 'period', 'achieved', 'took', 'points', 'late', 'failures'], polls))
  const element = h(
    'section',
    { class: 'card', 'data-testid': `channel-${first.name}`, 'aria-label': first.name },
    h('div', { class: 'card__head' }, h('h2', { dir: 'ltr' }, first.name), state, h('span', { class: 'grow' }), trace, again, power),
    facts,
    error,
    table(first.name, ['device', 'answers', 'heard', 'trouble'], devices),
    timing,
  )

  function toggle(channel) {
    const on = channel.state === 'disabled'
    const path = `/channels/${encodeURIComponent(channel.name)}/${on ? 'enable' : 'disable'}`
    if (on) return allowed(() => post(path))
    return allowed(() => ask({ title: t('channels.off.title', { name: channel.name }), text: t('channels.off.text'), go: t('channels.off'), tone: 'danger', testid: 'switch-off', act: () => post(path) }))
  }

  return {
    element,
    show(channel) {
      state.className = `badge badge--${TONES[channel.state] ?? ''}`
      say(state, word('state', channel.state))
      mark(element, 'data-state', channel.state)
      say(facts, t('channels.facts', { driver: channel.driver, at: moment(channel.since), n: channel.attempts, sent: bytes(channel.bytes_sent), received: bytes(channel.bytes_received) }))
      error.hidden = !channel.error
      say(error, channel.error)
      say(power, t(channel.state === 'disabled' ? 'channels.on' : 'channels.off'))
      power.onclick = () => toggle(channel)
      showDevices(channel.devices)
      showPolls(channel.polls)
      timing.hidden = !channel.polls.length
    },
  }
}

function table(name, columns, body) {
  return h('div', { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': name }, h('table', { class: 'table' }, h('thead', {}, h('tr', {}, columns.map((c) => h('th', { scope: 'col' }, t(`column.${c}`))))), body))
}

function cells(n) {
  const made = Array.from({ length: n }, () => h('td', { dir: 'auto' }))
  return { made, element: h('tr', {}, made), put: (texts) => texts.forEach((text, i) => say(made[i], text)) }
}

function deviceRow() {
  const row = cells(4)
  const badge = h('span', { class: 'badge' })
  fill(row.made[1], badge)
  return {
    element: row.element,
    show(device) {
      const known = device.online !== null
      badge.className = `badge badge--${known ? (device.online ? 'success' : 'error') : ''}`
      say(badge, t(known ? (device.online ? 'device.answers' : 'device.silent') : 'device.unknown'))
      say(row.made[0], device.name)
      say(row.made[2], moment(device.heard))
      say(row.made[3], device.trouble || (device.online ? '' : device.reason))
    },
  }
}

function pollRow() {
  const row = cells(7)
  return {
    element: row.element,
    show: (p) => row.put([p.device, span(p.period), span(p.achieved), p.took === null ? '–' : t('unit.ms', { n: number(Math.round(p.took * 1000)) }), p.points, p.late, p.failures]),
  }
}
