/** Words of the interface. A missing key shows English and is logged once. */
import { computed, ref, watchEffect } from 'vue'

import ar from './ar.json'
import en from './en.json'

export type Language = 'en' | 'ar'
export type Key = keyof typeof en

const WORDS: Record<Language, Partial<Record<Key, string>>> = { en, ar }
const STORED = 'busbar_language'
const missing = new Set<string>()

function initial(): Language {
  const stored = localStorage.getItem(STORED)
  if (stored === 'en' || stored === 'ar') return stored
  return navigator.language.startsWith('ar') ? 'ar' : 'en'
}

export const language = ref<Language>(initial())
export const direction = computed(() => (language.value === 'ar' ? 'rtl' : 'ltr'))
const locale = computed(() => (language.value === 'ar' ? 'ar-u-nu-latn' : 'en-GB'))

export function t(key: Key, values: Record<string, string | number> = {}): string {
  let text = WORDS[language.value][key]
  if (text === undefined) {
    if (!missing.has(key)) console.warn(`no ${language.value} text for ${key}`)
    missing.add(key)
    text = en[key]
  }
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''))
}

/** A label that came from the server in several languages. */
export function label(texts: Partial<Record<string, string>> | undefined, fallback: string): string {
  return texts?.[language.value] ?? texts?.['en'] ?? fallback
}

const formats = new Map<string, Intl.NumberFormat>()

/** Making a format costs far more than using it, and a page of live values uses thousands a second. */
export function number(value: number, digits = 3): string {
  const key = `${locale.value} ${digits}`
  let format = formats.get(key)
  if (!format) formats.set(key, (format = new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits })))
  return format.format(value)
}

export function instant(value: string | number | Date, seconds = false): string {
  return new Intl.DateTimeFormat(locale.value, {
    dateStyle: 'medium',
    timeStyle: seconds ? 'medium' : 'short',
  }).format(new Date(value))
}

/** `14:05:09`: the time of day. */
export function clock(value: number): string {
  return new Intl.DateTimeFormat(locale.value, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(value)
}

/** A tick of a time axis whose ticks are `step` seconds apart. */
export function shortTime(value: number, step: number): string {
  const wanted: Intl.DateTimeFormatOptions =
    step >= 86_400
      ? { day: 'numeric', month: 'short' }
      : { hour: '2-digit', minute: '2-digit', ...(step < 60 ? { second: '2-digit' } : {}) }
  return new Intl.DateTimeFormat(locale.value, wanted).format(value)
}

/** `12 s ago`, `3 min ago`: how old a value is. */
export function ago(milliseconds: number): string {
  const format = new Intl.RelativeTimeFormat(locale.value, { numeric: 'auto', style: 'short' })
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 60) return format.format(-seconds, 'second')
  if (seconds < 3600) return format.format(-Math.round(seconds / 60), 'minute')
  if (seconds < 86_400) return format.format(-Math.round(seconds / 3600), 'hour')
  return format.format(-Math.round(seconds / 86_400), 'day')
}

export function followLanguage(): void {
  watchEffect(() => {
    document.documentElement.lang = language.value
    document.documentElement.dir = direction.value
    localStorage.setItem(STORED, language.value)
  })
}
