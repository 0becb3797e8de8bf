/** The load of a day beside that of the day before, in steps from midnight. */
import { get } from '../api/client'
import { all } from '../api/rows'
import { resource, type Row } from '../state/catalogue'
import { pointsNamed } from './grid'

const MINUTE = 60_000
const DAY = 1440 * MINUTE
export const STEP = 15 * MINUTE
export const STEPS = DAY / STEP
const POWER = 'power.active.total'
const ROLES = ['incomer', 'feeder', 'customer']
const MOST_POINTS = 100

interface Bucket {
  point_id: string
  start: string
  value: number | null
  count: number
}

/** Watts for each step of a day; null where not every series says something. */
export type Curve = (number | null)[]

/** Sums of all series at each step from `midnight` on. */
export function sum(buckets: Bucket[], midnight: number, series: number): Curve {
  const total = new Array<number>(STEPS).fill(0)
  const said = new Array<number>(STEPS).fill(0)
  for (const { start, value } of buckets) {
    const step = Math.floor((new Date(start).getTime() - midnight) / STEP)
    if (step < 0 || step >= STEPS || value === null) continue
    total[step] = (total[step] ?? 0) + value
    said[step] = (said[step] ?? 0) + 1
  }
  return total.map((watts, n) => (said[n] === series && series > 0 ? watts : null))
}

/** An SVG path over `width` by `height`; a step without a value is a hole. */
export function path(curve: Curve, most: number, width: number, height: number): string {
  let drawn = ''
  let pen = 'M'
  for (const [n, watts] of curve.entries()) {
    if (watts === null) {
      pen = 'M'
      continue
    }
    drawn += `${pen}${((n + 0.5) * width / STEPS).toFixed(1)} ${(height - (watts / most) * height).toFixed(1)}`
    pen = 'L'
  }
  return drawn
}

/** A round number at or above the highest value. */
export function ceiling(values: Curve): number {
  const most = Math.max(0, ...values.map((v) => v ?? 0))
  if (most === 0) return 1
  const power = 10 ** Math.floor(Math.log10(most))
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * power >= most) ?? 10) * power
}

/** The points whose sum is the load, by what the stations' meters are there for. */
async function meters(): Promise<Row[]> {
  const devices = resource('scada.devices')
  if (!devices) return []
  for (const role of ROLES) {
    const found = await all(devices, { station_role: role, is_active: 'true' }, MOST_POINTS)
    if (found.length) return pointsNamed(found.slice(0, MOST_POINTS), [POWER])
  }
  return []
}

export interface Days {
  today: Curve
  yesterday: Curve
}

export async function days(now: number): Promise<Days | null> {
  const points = await meters()
  if (!points.length) return null
  const midnight = new Date(now).setHours(0, 0, 0, 0)
  const before = new Date(midnight - DAY / 2).setHours(0, 0, 0, 0)
  const query = new URLSearchParams({
    points: points.map((p) => p.id).join(), from: new Date(before).toISOString(), to: new Date(now).toISOString(), bucket: '15m', fn: 'avg',
  })
  const { items } = await get<{ items: Bucket[] }>(`/scada/readings/aggregate?${query}`)
  return { today: sum(items, midnight, points.length), yesterday: sum(items, before, points.length) }
}
