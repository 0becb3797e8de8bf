/** A live point in words: value, unit, whether to believe it, and why not. */
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

const NOTHING: Presented = { value: '–', unit: '', trust: 'none', note: '', raw: null }

function valueOf(point: Row, value: number): { value: string; unit: string } {
  const binary = String(point['point_type']).startsWith('binary')
  const position = binary && (point['is_switch'] === true || point['name'] === 'switch.position')
  if (position) return { value: t(value ? 'state.closed' : 'state.open'), unit: '' }
  if (binary) return { value: t(value ? 'state.on' : 'state.off'), unit: '' }
  return engineering(value, String(point['unit'] ?? ''))
}

export function present(point: Row | undefined, live: Live): Presented {
  const reading = point && live.readings.value.get(point.id)
  if (!point || !reading) return NOTHING
  const belief = trust(reading, patience(point), live.now.value, live.state.value)
  const age = ago(Math.max(0, live.now.value - new Date(reading.time).getTime()))
  const word = belief === 'good' ? '' : t(`quality.${belief === 'stale' ? 'stale' : reading.quality}` as Key)
  const note = belief === 'stale' ? `${word} · ${age}` : word
  if (reading.text !== null) return { value: reading.text, unit: '', trust: belief, note, raw: null }
  if (reading.value === null) return { ...NOTHING, trust: belief, note }
  return { ...valueOf(point, reading.value), trust: belief, note, raw: reading.value }
}
