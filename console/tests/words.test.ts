import { readdirSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import ar from '../src/i18n/ar.json'
import en from '../src/i18n/en.json'
import { ago, label, language, number, t } from '../src/i18n'

const ROOT = new URL('../src/', import.meta.url)
const places = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(String).sort()

test('every text is there in both languages, with the same places', () => {
  expect(Object.keys(ar).sort()).toEqual(Object.keys(en).sort())
  for (const [key, text] of Object.entries(en)) expect(places(ar[key as keyof typeof ar]), key).toEqual(places(text))
})

test('every text is used', () => {
  const sources = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter((f) => /\.(vue|ts)$/.test(f)).map((f) => readFileSync(new URL(f, ROOT), 'utf8')).join('\n')
  const composed = ['trail.', 'quality.', 'step.', 'command.', 'cause.', 'verdict.', 'strength.', 'export.']
  const unused = Object.keys(en).filter((key) => !sources.includes(`'${key}'`) && !composed.some((p) => key.startsWith(p)))
  expect(unused).toEqual([])
})

test('words follow the language, numbers keep Latin digits', () => {
  language.value = 'ar'
  expect(t('list.page', { page: 2, pages: 9 })).toBe('صفحة 2 من 9')
  expect(label({ en: 'Station', ar: 'محطة' }, 'x')).toBe('محطة')
  expect(label({ en: 'Station' }, 'x')).toBe('Station')
  expect(number(1234.5)).toMatch(/^1.?234.5$/)
  language.value = 'en'
  expect(ago(90_000)).toBe('2 min ago')
})
