/** Engineering values for people: a prefix that keeps numbers short, a sensible count of digits. */
import { number } from '../i18n'

const SCALED = new Set(['W', 'var', 'VA', 'Wh', 'V', 'A'])
const STEPS: [number, string][] = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]

export interface Shown {
  value: string
  unit: string
}

export function engineering(value: number, unit: string): Shown {
  const size = Math.abs(value)
  if (SCALED.has(unit)) {
    const step = STEPS.find(([least]) => size >= least)
    if (step) {
      const [least, prefix] = step
      const scaled = value / least
      return { value: number(scaled, digits(scaled)), unit: prefix + unit }
    }
  }
  return { value: number(value, digits(value)), unit }
}

function digits(value: number): number {
  const size = Math.abs(value)
  if (size >= 1000) return 0
  if (size >= 100) return 1
  return size >= 10 ? 2 : 3
}
