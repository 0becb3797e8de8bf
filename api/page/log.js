/** The last log entries of the gateway's process, as they come. */
import { h, say } from './dom.js'
import { get } from './gateway.js'
import { t, time } from './words.js'

const KEPT = 1000
const LEVELS = ['debug', 'info', 'warning', 'error']

export function logging(root) {
  let after = 0
  const level = h('select', { class: 'input input--short', 'aria-label': t('log.level'), onchange: again }, LEVELS.map((name) => h('option', { value: name, selected: name === 'info' }, t(`log.${name}`))))
  const search = h('input', { class: 'input', type: 'search', placeholder: t('log.search'), 'aria-label': t('log.search'), oninput: narrow })
  const list = h('ol', { class: 'frames frames--tall', dir: 'ltr', tabindex: '0', 'aria-label': t('menu.log'), 'data-testid': 'log' })
  const none = h('p', { class: 'soft' }, t('log.none'))
  root.append(h('div', { class: 'toolbar' }, level, search), none, list)

  function again() {
    after = 0
    list.replaceChildren()
    tick().catch(() => {})
  }

  function narrow() {
    for (const line of list.children) line.hidden = !fits(line)
  }

  const fits = (line) => line.textContent.toLowerCase().includes(search.value.trim().toLowerCase())

  async function tick() {
    const { lines } = await get(`/log?after=${after}&level=${level.value}`)
    const follow = list.scrollTop + list.clientHeight >= list.scrollHeight - 30
    for (const line of lines) {
      if (line.number <= after) continue
      after = line.number
      const shown = entry(line)
      shown.hidden = !fits(shown)
      list.append(shown)
    }
    while (list.children.length > KEPT) list.firstChild.remove()
    none.hidden = list.children.length > 0
    if (follow && lines.length) list.scrollTop = list.scrollHeight
  }

  return { tick }
}

function entry(line) {
  const fields = Object.entries(line.fields).map(([name, value]) => `${name}=${value}`).join(' ')
  const shown = h('li', { class: `line line--${line.level}` }, h('span', { class: 'frame__time' }, time(line.at)), h('span', { class: 'line__level' }), h('span', { class: 'line__text' }, line.message), fields && h('span', { class: 'frame__note' }, fields), line.trace && h('pre', { class: 'line__trace' }, line.trace))
  say(shown.querySelector('.line__level'), line.level)
  return shown
}
