/** One point: what it is, how its value came about, ask for it now, and operate it in two steps. */
import { askWho, field } from './dialogs.js'
import { fill, h, mark, say } from './dom.js'
import { get, point as path, post } from './gateway.js'
import { frameLine } from './wire.js'
import { shownValue } from './values.js'
import { moment, number, quality, span, t, word } from './words.js'

const SELECTED_FOR = 30 // s
const EVERY = 1000 // ms

export function openPoint(point) {
  const value = h('p', { class: 'point__value', dir: 'ltr', 'data-testid': 'point-value' })
  const trust = h('p', { class: 'quality' })
  const facts = h('dl', { class: 'facts' })
  const frames = h('ol', { class: 'frames', dir: 'ltr' })
  const answer = h('p', { class: 'alert alert--info', role: 'status', hidden: true, dir: 'auto', 'data-testid': 'point-answer' })
  const read = h('button', { class: 'btn btn--outline', type: 'button', 'data-testid': 'point-read', onclick: ask }, t('point.read'))
  const close = h('button', { class: 'btn btn--quiet', type: 'button', 'aria-label': t('shell.close'), onclick: () => dialog.close() }, '✕')
  const dialog = h(
    'dialog',
    { class: 'dialog dialog--side', 'aria-labelledby': 'point-title', 'data-testid': 'point', onclose: end },
    h('div', { class: 'card__head' }, h('h2', { id: 'point-title', dir: 'ltr' }, point.key), h('span', { class: 'grow' }), close),
    point.description && h('p', { class: 'soft', dir: 'auto' }, point.description),
    value,
    trust,
    h('div', { class: 'actions actions--start' }, read),
    answer,
    point.writable && operating(point),
    h('h3', {}, t('point.how')),
    facts,
    h('h3', {}, t('point.wire')),
    frames,
  )

  function show(now) {
    say(value, shownValue(now, point.states))
    const found = quality(now.quality, now.stale)
    say(trust, `${found.words}${now.age === undefined ? '' : ` · ${span(now.age)}`}`)
    mark(dialog, 'data-quality', found.tone)
  }

  async function tick() {
    const story = await get(`/explain/${encodeURIComponent(point.key)}`)
    show(story.now)
    fill(facts, pairs(point, story).map(([key, text]) => h('div', {}, h('dt', {}, t(`point.${key}`)), h('dd', { dir: 'auto' }, text))))
    fill(frames, story.wire.slice(-8).map(frameLine))
  }

  async function ask() {
    if (!(await askWho())) return
    read.disabled = true
    try {
      const told = await post(path(point.key, 'read'))
      show(told.now)
      tell(answer, told.trouble || t('point.answered', { value: shownValue(told.now, point.states), took: Math.round(told.took * 1000), frames: told.wire.length }), told.trouble ? 'error' : 'success')
    } catch (problem) {
      tell(answer, problem.message, 'error')
    }
    read.disabled = false
  }

  const timer = setInterval(() => tick().catch(() => mark(dialog, 'data-quality', 'stale')), EVERY)
  function end() {
    clearInterval(timer)
    dialog.remove()
  }
  document.body.append(dialog)
  dialog.showModal()
  tick().catch((problem) => tell(answer, problem.message, 'error'))
}

function pairs(point, story) {
  const now = story.now
  return [
    ['address', point.address],
    ['raw', story.raw === null ? '–' : number(story.raw)],
    ['scale', `× ${story.spec.scale ?? 1} + ${story.spec.offset ?? 0}`],
    ['time', moment(now.time)],
    ['every', story.every === null ? t('point.events') : `${span(story.every)}${story.achieved ? ` (${t('point.achieved', { span: span(story.achieved) })})` : ''}`],
    ['channel', `${story.channel}: ${word('state', story.state)}`],
    ['kept', story.place ? t(story.place.acknowledged ? 'point.sent' : 'point.held', { seq: story.place.seq }) : '–'],
  ]
}

function tell(element, text, tone) {
  element.className = `alert alert--${tone}`
  element.hidden = false
  say(element, text)
}

/** Two steps: select shows what would happen, operate does it while the selection holds. */
function operating(point) {
  const states = Object.entries(point.states)
  const value = states.length
    ? h('select', { class: 'input', 'data-testid': 'order-value' }, states.map(([code, name]) => h('option', { value: code }, `${name} (${code})`)))
    : h('input', { class: 'input', type: point.kind === 'text' ? 'text' : 'number', step: 'any', 'data-testid': 'order-value' })
  const reason = h('input', { class: 'input', minlength: 5, maxlength: 500, 'data-testid': 'order-reason' })
  const first = h('button', { class: 'btn btn--primary', type: 'submit', 'data-testid': 'order-select' }, t('order.select'))
  const second = h('button', { class: 'btn btn--danger', type: 'button', hidden: true, 'data-testid': 'order-operate', onclick: operate })
  const back = h('button', { class: 'btn', type: 'button', hidden: true, onclick: cancel }, t('shell.cancel'))
  const answer = h('p', { class: 'alert', role: 'status', hidden: true, dir: 'auto', 'data-testid': 'order-answer' })
  let timer = 0
  const body = () => ({ value: point.kind === 'text' ? value.value : Number(value.value), reason: reason.value.trim() })

  async function send(verb) {
    if (!(await askWho())) return false
    try {
      const told = await post(path(point.key, verb), body())
      const well = ['done', 'accepted'].includes(told.outcome)
      if (verb !== 'select' || !well) tell(answer, `${word('outcome', told.outcome)}${told.detail ? `: ${told.detail}` : ''}`, well ? 'success' : 'error')
      else tell(answer, t('order.selected', { what: chosen() }), 'info')
      return well
    } catch (problem) {
      tell(answer, problem.message, 'error')
      return false
    }
  }

  const chosen = () => (states.length ? value.selectedOptions[0].textContent : value.value)

  function hold(on) {
    clearInterval(timer)
    for (const input of [value, reason, first]) input.disabled = on
    second.hidden = back.hidden = !on
    first.hidden = on
  }

  async function select(event) {
    event.preventDefault()
    if (point.select && !(await send('select'))) return
    hold(true)
    second.focus()
    let left = SELECTED_FOR
    const count = () => {
      say(second, t('order.operate', { what: chosen(), left }))
      if (left-- <= 0) hold(false)
    }
    count()
    timer = setInterval(count, 1000)
  }

  async function operate() {
    second.disabled = true
    await send('operate')
    second.disabled = false
    hold(false)
  }

  async function cancel() {
    if (point.select) await send('cancel')
    hold(false)
  }

  return h(
    'form',
    { class: 'order', onsubmit: select },
    h('h3', {}, t('order.title')),
    h('p', { class: 'soft' }, t('order.text')),
    field(t('order.value'), value),
    field(t('order.reason'), reason),
    h('div', { class: 'actions actions--start' }, first, second, back),
    answer,
  )
}
