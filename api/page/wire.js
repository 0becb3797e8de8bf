/** What goes over the wire of one channel, byte by byte, while somebody looks. */
import { allowed } from './dialogs.js'
import { h, say } from './dom.js'
import { frames, get, post } from './gateway.js'
import { t, time } from './words.js'

const KEPT = 500

export function wire(root) {
  const chosen = decodeURIComponent(location.hash.split('/')[1] ?? '')
  const kept = []
  let channel = '', end = () => {}, paused = false, stop = false
  const pick = h('select', { class: 'input input--short', 'data-testid': 'wire-channel', 'aria-label': t('wire.channel') })
  const start = h('button', { class: 'btn btn--primary', type: 'button', 'data-testid': 'wire-start', onclick: toggle }, t('wire.start'))
  const pause = h('button', { class: 'btn', type: 'button', 'aria-pressed': 'false', onclick: hold }, t('wire.pause'))
  const clear = h('button', { class: 'btn', type: 'button', onclick: () => (kept.splice(0), list.replaceChildren()) }, t('wire.clear'))
  const save = h('button', { class: 'btn', type: 'button', onclick: download }, t('wire.save'))
  const state = h('p', { class: 'soft', role: 'status' }, t('wire.text'))
  const list = h('ol', { class: 'frames frames--tall', dir: 'ltr', tabindex: '0', 'aria-label': t('menu.wire'), 'data-testid': 'frames' })
  root.append(h('div', { class: 'toolbar' }, pick, start, pause, clear, save), state, list)

  async function tick() {
    if (pick.options.length) return
    for (const { name } of (await get('/channels')).channels) pick.append(h('option', { value: name, selected: name === chosen }, name))
  }

  async function toggle() {
    if (channel) return finish()
    const wanted = pick.value
    await allowed(async () => {
      await post(`/trace/${encodeURIComponent(wanted)}`)
      if (stop) return
      channel = wanted
      end = frames(channel, take, () => finish(t('wire.broken')))
      say(start, t('wire.stop'))
      say(state, t('wire.running', { channel }))
    })
    pick.disabled = Boolean(channel)
  }

  function finish(why = '') {
    end()
    if (channel) post(`/trace/${encodeURIComponent(channel)}?on=0`).catch(() => {})
    channel = ''
    pick.disabled = false
    say(start, t('wire.start'))
    say(state, why || t('wire.ended'))
  }

  function take(frame) {
    kept.push(frame)
    if (kept.length > KEPT) kept.shift()
    if (paused) return
    const follow = list.scrollTop + list.clientHeight >= list.scrollHeight - 30
    list.append(frameLine(frame))
    while (list.children.length > KEPT) list.firstChild.remove()
    if (follow) list.scrollTop = list.scrollHeight
  }

  function hold() {
    paused = !paused
    pause.setAttribute('aria-pressed', String(paused))
    if (!paused) list.replaceChildren(...kept.map(frameLine))
  }

  function download() {
    const text = kept.map((f) => `${new Date(f.at / 1000).toISOString()} ${f.device} ${f.sent ? '>' : '<'} ${f.hex} ${f.note}`.trimEnd() + (f.lines ?? []).map((line) => `\n    ${line}`).join('')).join('\n')
    const url = URL.createObjectURL(new Blob([`${text}\n`], { type: 'text/plain' }))
    h('a', { href: url, download: `${pick.value}.wire.txt` }).click()
    setTimeout(() => URL.revokeObjectURL(url), 1000)
  }

  return {
    tick,
    stop() {
      stop = true
      if (channel) finish()
    },
  }
}

/** One frame: when, who, which way, the bytes and what can be read of them. */
export function frameLine(frame) {
  const text = frame.hex.split(' ').map((b) => parseInt(b, 16)).map((c) => (c >= 32 && c < 127 ? String.fromCharCode(c) : '·')).join('')
  return h(
    'li',
    { class: `frame frame--${frame.sent ? 'sent' : 'got'}` },
    h('span', { class: 'frame__time' }, time(frame.at)),
    h('span', { class: 'frame__way' }, `${frame.sent ? '→' : '←'} ${frame.device}`),
    h('code', { class: 'frame__bytes' }, frame.hex),
    h('code', { class: 'frame__text' }, text),
    frame.note && h('span', { class: 'frame__note' }, frame.note),
    frame.lines?.length > 0 && h('pre', { class: 'frame__lines' }, frame.lines.join('\n')),
  )
}
