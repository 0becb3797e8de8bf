/** The shell: where one is, whether the gateway answers, who is signed in, and one view at a time. */
import { alarms } from './alarms.js'
import { channels } from './channels.js'
import { askWho, toast } from './dialogs.js'
import { fill, h, mark, say } from './dom.js'
import { contact, get, learn, onChange, session, signOut } from './gateway.js'
import { exporting } from './export.js'
import { logging } from './log.js'
import { overview } from './overview.js'
import { values } from './values.js'
import { wire } from './wire.js'
import { language, moment, otherLanguage, otherTheme, t, themeNow } from './words.js'

const VIEWS = { overview, values, channels, alarms, wire, log: logging, export: exporting }
const EVERY = 1000 // ms
/** What all views share. alarms: how many nobody has seen. mode: who operates. */
const state = { name: '', alarms: 0, mode: 'remote' }
let here = { name: '', stop: () => {}, tick: async () => {} }

const name = h('span', { class: 'bar__gateway', 'data-testid': 'gateway-name' })
const pulse = h('span', { class: 'badge', role: 'status', 'data-testid': 'contact' })
const mode = h('span', { class: 'badge badge--warning', 'data-testid': 'mode', hidden: true })
const account = h('button', { class: 'btn btn--quiet', type: 'button', 'data-testid': 'account', onclick: onAccount })
const shade = h('button', { class: 'btn btn--quiet', type: 'button', 'aria-label': t('shell.theme'), 'aria-pressed': themeNow() === 'dark', onclick: () => mark(shade, 'aria-pressed', otherTheme() === 'dark') }, '◐')
const tongue = h('button', { class: 'btn btn--quiet', type: 'button', lang: language === 'ar' ? 'en' : 'ar', 'data-testid': 'language', onclick: otherLanguage }, language === 'ar' ? 'English' : 'العربية')
const unseen = h('span', { class: 'count', hidden: true })
const lost = h('p', { class: 'alert alert--error', role: 'alert', 'data-testid': 'lost', hidden: true })
const content = h('main', { id: 'content', class: 'content', tabindex: '-1' })
const links = Object.keys(VIEWS).map((view) =>
  h('a', { class: 'menu__link', href: `#${view}`, 'data-testid': `menu-${view}` }, t(`menu.${view}`), view === 'alarms' && unseen),
)

document.body.append(
  h('a', { class: 'skip', href: '#content', onclick: (event) => (event.preventDefault(), content.focus()) }, t('shell.skip')),
  h('header', { class: 'bar' }, h('img', { src: '/page/busbar.svg', alt: '', width: 28, height: 28 }), h('strong', {}, 'Busbar'), name, h('span', { class: 'grow' }), mode, pulse, tongue, shade, account),
  h('nav', { class: 'menu', 'aria-label': t('shell.menu') }, links),
  h('div', { class: 'stage' }, lost, content),
)

function draw() {
  const gone = contact.lost !== null
  document.body.toggleAttribute('data-lost', gone)
  pulse.className = `badge badge--${gone ? 'error' : 'success'}`
  say(pulse, t(gone ? 'contact.lost' : 'contact.there'))
  lost.hidden = !gone
  if (gone) say(lost, t('contact.since', { at: moment(contact.lost * 1000) }))
  mode.hidden = state.mode !== 'local'
  say(mode, t('mode.local'))
  say(account, session.signed_in ? t('shell.out', { by: session.by || t('shell.technician') }) : t('shell.in'))
  account.hidden = !session.possible
  unseen.hidden = !state.alarms
  say(unseen, state.alarms)
  mark(unseen, 'aria-label', t('alarms.unseen', { n: state.alarms }))
}

async function onAccount() {
  if (session.signed_in) await signOut().catch((problem) => toast(problem.message, 'error'))
  else await askWho()
}

function show() {
  const wanted = location.hash.slice(1).split('/')[0]
  const view = wanted in VIEWS ? wanted : 'overview'
  if (view === here.name) return
  here.stop()
  const root = h('div', { class: 'page' }, h('h1', {}, t(`menu.${view}`)))
  fill(content, root)
  here = { stop: () => {}, tick: async () => {}, ...VIEWS[view](root, state), name: view }
  document.title = `${t(`menu.${view}`)} · ${state.name || 'Busbar'}`
  for (const link of links) mark(link, 'aria-current', link.hash === `#${view}` ? 'page' : null)
  if (readable()) here.tick().catch(complain)
}

const readable = () => session.reads || session.signed_in

function complain(problem) {
  if (problem.status === 0) return
  if (problem.status === 401) askWho()
  else toast(problem.message, 'error')
}

async function common() {
  const [status, known, control] = await Promise.all([get('/status'), get('/alarms'), get('/control')])
  Object.assign(state, { name: status.name, mode: control.mode })
  state.alarms = known.alarms.filter((alarm) => alarm.status === 'active' && !alarm.masked).length
  say(name, status.name)
  draw()
}

async function run() {
  for (;;) {
    try {
      if (!session.possible && !session.reads) await learn()
      if (readable()) {
        await common()
        await here.tick()
      } else if (!document.querySelector('dialog[open]')) await askWho()
    } catch (problem) {
      complain(problem)
    }
    await new Promise((wake) => setTimeout(wake, EVERY))
    while (document.hidden) await new Promise((wake) => document.addEventListener('visibilitychange', wake, { once: true }))
  }
}

onChange(draw)
addEventListener('hashchange', () => {
  show()
  content.focus()
})
await learn().catch(() => {})
draw()
show()
run()
