/** Questions to the person, and short news. */
import { h, say } from './dom.js'
import { session, signIn } from './gateway.js'
import { t } from './words.js'

const news = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' })
document.body.append(news)

/** Say something for some seconds. tone: success, error, warning. */
export function toast(text, tone = 'success') {
  const shown = h('p', { class: `alert alert--${tone} toast`, 'data-testid': 'toast', dir: 'auto' }, text)
  news.append(shown)
  while (news.children.length > 3) news.firstChild.remove()
  setTimeout(() => shown.remove(), tone === 'error' ? 10_000 : 4_000)
}

/** A labelled input. */
export function field(label, input, hint = '') {
  return h('label', { class: 'field' }, h('span', { class: 'field__label' }, label), input, hint && h('span', { class: 'field__hint' }, hint))
}

/**
 * Ask by a form; `act(form data)` does what was asked for and may raise, which is told in the dialog.
 * Resolves to true once it was done, false when the person thought better of it.
 */
export function ask({ title, text = '', fields = [], go, tone = 'primary', testid, act }) {
  return new Promise((done) => {
    let over = false
    const wrong = h('p', { class: 'alert alert--error', role: 'alert', hidden: true, dir: 'auto', 'data-testid': 'dialog-problem' })
    const button = h('button', { class: `btn btn--${tone}`, type: 'submit', 'data-testid': `${testid}-go` }, go)
    const close = h('button', { class: 'btn', type: 'button', onclick: () => dialog.close() }, t('shell.cancel'))
    const form = h('form', { class: 'dialog__form', onsubmit: submit }, h('h2', { id: 'dialog-title' }, title), text && h('p', { class: 'soft' }, text), fields, wrong, h('div', { class: 'actions' }, close, button))
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title', 'data-testid': testid, onclose: () => { dialog.remove(); done(over) } }, form)

    async function submit(event) {
      event.preventDefault()
      button.disabled = true
      try {
        await act(Object.fromEntries(new FormData(form)))
        over = true
        dialog.close()
      } catch (problem) {
        say(wrong, problem.message)
        wrong.hidden = false
      } finally {
        button.disabled = false
      }
    }

    document.body.append(dialog)
    dialog.showModal()
  })
}

/** Sign in, unless somebody is or is being asked. */
export async function askWho() {
  if (session.signed_in) return true
  if (!session.possible) {
    toast(t('signin.impossible'), 'error')
    return false
  }
  if (document.querySelector('dialog[data-testid=signin]')) return false
  return ask({
    title: t('signin.title'),
    text: t('signin.text'),
    fields: [
      field(t('signin.by'), h('input', { class: 'input', name: 'by', autocomplete: 'name', maxlength: 100, required: true, 'data-testid': 'signin-by' })),
      field(t('signin.password'), h('input', { class: 'input', name: 'password', type: 'password', autocomplete: 'current-password', required: true, 'data-testid': 'signin-password' })),
    ],
    go: t('shell.in'),
    testid: 'signin',
    act: ({ password, by }) => signIn(password, by),
  })
}

/** Do what needs the technician; trouble is told. */
export async function allowed(work, told = '') {
  if (!(await askWho())) return false
  try {
    await work()
    if (told) toast(told)
    return true
  } catch (problem) {
    toast(problem.message, 'error')
    return false
  }
}
