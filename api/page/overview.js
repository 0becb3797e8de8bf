/** What one wants to know first: does it read, does it keep, does the centre hear, what is wrong. */
import { allowed, ask } from './dialogs.js'
import { fill, h, mark, say } from './dom.js'
import { get, post } from './gateway.js'
import { bytes, moment, number, round, span, t, word } from './words.js'

export function overview(root, state) {
  const tile = (key) => {
    const figure = h('dd', { class: 'tile__figure', 'data-testid': `tile-${key}` }, '–')
    const more = h('dd', { class: 'tile__more', dir: 'auto' })
    return { element: h('div', { class: 'tile' }, h('dt', {}, t(`overview.${key}`)), figure, more), figure, more }
  }
  const tiles = Object.fromEntries(['rate', 'channels', 'alarms', 'waiting', 'centre', 'disk'].map((key) => [key, tile(key)]))
  const trouble = h('ul', { class: 'plain', 'data-testid': 'troubles' })
  const control = h('button', { class: 'btn btn--outline', type: 'button', 'data-testid': 'take-over', onclick: () => turn(state) })
  const meaning = h('p', { class: 'soft' })
  root.append(
    h('dl', { class: 'tiles' }, Object.values(tiles).map((each) => each.element)),
    h('section', { class: 'card' }, h('h2', {}, t('overview.trouble')), trouble),
    h('section', { class: 'card' }, h('h2', {}, t('mode.title')), meaning, h('div', { class: 'actions actions--start' }, control)),
  )

  const set = (key, figure, more, tone = '') => {
    say(tiles[key].figure, figure)
    say(tiles[key].more, more)
    mark(tiles[key].element, 'data-tone', tone || null)
  }

  async function tick() {
    const [status, held, lines] = await Promise.all([get('/status'), get('/buffer'), get('/channels')])
    const { buffer, centre } = held
    const idle = lines.channels.filter((c) => c.state === 'disabled').length
    set('rate', number(Math.round(status.readings_per_second * 10) / 10), t('overview.points', { n: round(status.points) }))
    set('channels', `${status.channels_online} / ${status.channels}`, idle ? t('overview.idle', { n: idle }) : '', status.channels_online + idle < status.channels ? 'error' : '')
    set('alarms', state.alarms, t('overview.unseen'), state.alarms ? 'error' : '')
    set('waiting', round(buffer.depth), status.lag === null ? t('overview.nothing') : t('overview.lag', { span: span(status.lag) }), status.lag > 60 ? 'warning' : '')
    if (centre) set('centre', t(centre.reached ? 'centre.reached' : 'centre.away'), centre.reached ? t(centre.linked ? 'centre.linked' : 'centre.unlinked') : centre.trouble || t('centre.since', { at: moment(centre.last_contact) }), centre.reached ? '' : 'warning')
    else set('centre', t('centre.none'), t('centre.alone'))
    set('disk', bytes(buffer.bytes), t('overview.of', { most: bytes(held.max_bytes) }), buffer.bytes > 0.8 * held.max_bytes || !buffer.healthy ? 'error' : '')
    fill(trouble, troubles(lines.channels, buffer).map(([tone, text]) => h('li', { class: `alert alert--${tone}`, dir: 'auto' }, text)))
    if (!trouble.children.length) fill(trouble, h('li', { class: 'soft' }, t('overview.fine')))
    const local = state.mode === 'local'
    say(control, t(local ? 'mode.give' : 'mode.take'))
    say(meaning, t(local ? 'mode.islocal' : 'mode.isremote'))
  }

  return { tick }
}

function troubles(channels, buffer) {
  const found = []
  if (!buffer.healthy) found.push(['error', buffer.message])
  if (buffer.dropped) found.push(['error', t('overview.dropped', { n: round(buffer.dropped) })])
  for (const channel of channels) {
    if (channel.state === 'disabled') continue
    if (channel.state !== 'online') found.push(['error', `${channel.name}: ${word('state', channel.state)}${channel.error ? `: ${channel.error}` : ''}`])
    for (const device of channel.devices) {
      if (channel.state === 'online' && device.online === false) found.push(['error', `${device.name}: ${t('device.silent')}${device.reason ? `: ${device.reason}` : ''}`])
      else if (device.trouble) found.push(['warning', `${device.name}: ${device.trouble}`])
    }
  }
  return found
}

async function turn(state) {
  const to = state.mode === 'local' ? 'remote' : 'local'
  await allowed(() =>
    ask({
      title: t(`mode.to.${to}`),
      text: t(`mode.to.${to}.text`),
      go: t(`mode.to.${to}.go`),
      testid: 'turn',
      act: async () => {
        state.mode = (await post(`/control/${to}`)).mode
      },
    }),
  )
}
