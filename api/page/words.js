/** Language, theme, and figures as people write them. */

const LANGUAGES = ['en', 'ar']
const own = (name, fallback) => {
  try {
    return localStorage.getItem(name) ?? fallback
  } catch {
    return fallback
  }
}
const keep = (name, value) => {
  try {
    localStorage.setItem(name, value)
  } catch {
    // a browser that keeps nothing still shows the page
  }
}

const asked = own('busbar_language', navigator.language.slice(0, 2))
export const language = LANGUAGES.includes(asked) ? asked : 'en'
const dark = matchMedia('(prefers-color-scheme: dark)').matches
let theme = own('busbar_theme', dark ? 'dark' : 'light')

const root = document.documentElement
root.lang = language
root.dir = language === 'ar' ? 'rtl' : 'ltr'
root.dataset.theme = theme

const words = await (await fetch(`/page/${language}.json`)).json()

/** The words for a key; `{name}` in them is replaced. A word that is missing shows its key. */
export function t(key, given = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(given[name] ?? ''))
}

/** A word of the gateway (a state, an outcome) if it is known, else as it came. */
export const word = (family, name) => words[`${family}.${name}`] ?? name

export function otherLanguage() {
  keep('busbar_language', language === 'ar' ? 'en' : 'ar')
  location.reload()
}

export function otherTheme() {
  theme = theme === 'dark' ? 'light' : 'dark'
  keep('busbar_theme', theme)
  root.dataset.theme = theme
  return theme
}

export const themeNow = () => theme

const locale = language === 'ar' ? 'ar-u-nu-latn' : 'en-GB'
const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false })
const whole = new Intl.DateTimeFormat(locale, { day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
const plain = new Intl.NumberFormat(locale, { maximumSignificantDigits: 7 })
const count = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 })

/** µs since 1970 → hh:mm:ss.mmm, in this computer's zone. */
export const time = (us) => (us === null || us === undefined ? '–' : clock.format(us / 1000))
/** µs since 1970 → day and time. */
export const moment = (us) => (us === null || us === undefined ? '–' : whole.format(us / 1000))
export const number = (value) => plain.format(value)
export const round = (value) => count.format(value)

/** Seconds as the two largest units. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return '–'
  if (seconds < 10) return t('unit.s', { n: Math.max(0, seconds).toFixed(1) })
  if (seconds < 90) return t('unit.s', { n: Math.round(seconds) })
  if (seconds < 5400) return t('unit.min', { n: Math.round(seconds / 60) })
  if (seconds < 172800) return t('unit.h', { n: (seconds / 3600).toFixed(1) })
  return t('unit.d', { n: (seconds / 86400).toFixed(1) })
}

export function bytes(n) {
  const steps = ['B', 'kB', 'MB', 'GB', 'TB']
  let step = 0
  for (; n >= 1000 && step < steps.length - 1; step++) n /= 1000
  return `${n >= 100 || step === 0 ? count.format(n) : n.toFixed(1)} ${steps[step]}`
}

const FLAGS = ['comm_lost', 'restart', 'old', 'overrange', 'oscillating', 'substituted', 'test', 'blocked', 'inaccurate']

/** A quality word of the gateway → {tone, words}. stale: older than its period allows. */
export function quality(code, stale) {
  if (code === undefined) return { tone: 'none', words: t('quality.never') }
  const flags = FLAGS.filter((_, bit) => code & (1 << (bit + 2))).map((name) => t(`flag.${name}`))
  const validity = ['good', 'questionable', 'invalid'][code & 3] ?? 'invalid'
  const tone = validity === 'invalid' ? 'bad' : stale ? 'stale' : validity === 'good' ? 'good' : 'doubtful'
  const first = tone === 'stale' ? t('quality.stale') : t(`quality.${validity}`)
  return { tone, words: [first, ...flags].join(', ') }
}
