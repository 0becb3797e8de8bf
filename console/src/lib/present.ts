/** A live point in words: value, unit, whether to believe it, and why not. */
import type { Reading } from '../api/feed'
import { ago, t, type Key } from '../i18n'
import type { Row } from '../state/catalogue'
import { patience, trust, type Live, type Trust } from './readings'
import { engineering } from './units'

export interface Presented {
  value: string
  unit: string
  trust: Trust
  note: string
  raw: number | null
}

export const NOTHING: Presented = { value: '–', unit: '', trust: 'none', note: '', raw: null }

function valueOf(point: Row, value: number): { value: string; unit: string } {
  const binary = String(point['point_type']).startsWith('binary')
  const position = binary && (point['is_switch'] === true || point['name'] === 'switch.position')
  if (position) return { value: t(value ? 'state.closed' : 'state.open'), unit: '' }
  if (binary) return { value: t(value ? 'state.on' : 'state.off'), unit: '' }
  return engineering(value, String(point['unit'] ?? ''))
}

/** How old a value is, in words; only of one that is not of now. */
export const ageOf = (reading: Reading, belief: Trust, now: number): string =>
  belief === 'stale' ? ago(Math.max(0, now - new Date(reading.time).getTime())) : ''

/** A reading that is believed so far and so old, in words. */
export function described(point: Row, reading: Reading, belief: Trust, age: string): Presented {
  const word = belief === 'good' ? '' : t(`quality.${belief === 'stale' ? 'stale' : reading.quality}` as Key)
  const note = belief === 'stale' ? `${word} · ${age}` : word
  if (reading.text !== null) return { value: reading.text, unit: '', trust: belief, note, raw: null }
  if (reading.value === null) return { ...NOTHING, trust: belief, note }
  return { ...valueOf(point, reading.value), trust: belief, note, raw: reading.value }
}

export function present(point: Row | undefined, live: Live): Presented {
  const reading = point && live.readings.value.get(point.id)
  if (!point || !reading) return NOTHING
  const belief = trust(reading, patience(point), live.now.value, live.state.value)
  return described(point, reading, belief, ageOf(reading, belief, live.now.value))
}
