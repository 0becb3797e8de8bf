/** History for a chart: the finest buckets that a period can be drawn with, raw readings when it is short. */
import { get } from '../api/client'
import type { Reading } from '../api/feed'

export type Bucket = 'raw' | '1m' | '5m' | '15m' | '1h' | '1d' | '1mo'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const LIMITS: [number, Bucket][] = [
  [20 * MINUTE, 'raw'], [12 * HOUR, '1m'], [2 * DAY, '5m'], [7 * DAY, '15m'], [60 * DAY, '1h'], [1500 * DAY, '1d'],
]
const LENGTH: Record<Bucket, number> = {
  raw: 0, '1m': MINUTE, '5m': 5 * MINUTE, '15m': 15 * MINUTE, '1h': HOUR, '1d': DAY, '1mo': 30 * DAY,
}
const MOST_PAGES = 20
const BAD = new Set(['bad', 'stale'])

export const bucketFor = (span: number): Bucket => LIMITS.find(([most]) => span <= most)?.[1] ?? '1mo'

/** One line: seconds since 1970, value (null draws a hole), and whether it is to be believed. */
export interface Line {
  times: number[]
  values: (number | null)[]
  good: boolean[]
}

export interface Trend {
  bucket: Bucket
  lines: Map<string, Line>
  complete: boolean
}

const empty = (): Line => ({ times: [], values: [], good: [] })
const seconds = (instant: string): number => new Date(instant).getTime() / 1000

/** Put a reading at the end of its line; one from before the end is not drawn. */
export function append(line: Line, reading: Reading): void {
  const time = seconds(reading.time)
  const last = line.times.at(-1)
  if (last !== undefined && time <= last) return
  line.times.push(time)
  line.values.push(BAD.has(reading.quality) ? null : reading.value)
  line.good.push(reading.quality === 'good')
}

async function raw(points: string[], from: number, to: number): Promise<Trend> {
  const lines = new Map(points.map((id) => [id, empty()]))
  const query = new URLSearchParams({ points: points.join(), from: new Date(from).toISOString(), to: new Date(to).toISOString() })
  for (let page = 0; page < MOST_PAGES; page++) {
    const found = await get<{ items: Reading[]; next_cursor: string | null }>(`/scada/readings/history?${query}`)
    for (const reading of found.items) append(lines.get(reading.point_id) ?? empty(), reading)
    if (!found.next_cursor) return { bucket: 'raw', lines, complete: true }
    query.set('cursor', found.next_cursor)
  }
  return { bucket: 'raw', lines, complete: false }
}

interface BucketValue {
  point_id: string
  start: string
  value: number | null
  coverage: number | null
}

const COVERED = 0.9

async function aggregated(points: string[], from: number, to: number, bucket: Bucket): Promise<Trend> {
  const lines = new Map(points.map((id) => [id, empty()]))
  const query = new URLSearchParams({ points: points.join(), from: new Date(from).toISOString(), to: new Date(to).toISOString(), bucket, fn: 'avg' })
  const found = await get<{ items: BucketValue[] }>(`/scada/readings/aggregate?${query}`)
  const length = LENGTH[bucket] / 1000
  for (const item of found.items) {
    const line = lines.get(item.point_id)
    if (!line) continue
    const time = seconds(item.start)
    const last = line.times.at(-1)
    if (last !== undefined && time - last > 1.5 * length) {
      line.times.push(last + length)
      line.values.push(null)
      line.good.push(false)
    }
    line.times.push(time)
    line.values.push(item.value)
    line.good.push(item.coverage === null || item.coverage >= COVERED)
  }
  return { bucket, lines, complete: true }
}

/** What happened at these points in [from, to), milliseconds since 1970. */
export function trend(points: string[], from: number, to: number): Promise<Trend> {
  const bucket = bucketFor(to - from)
  return bucket === 'raw' ? raw(points, from, to) : aggregated(points, from, to, bucket)
}

/** All lines on one axis of time, as the chart wants them; undefined says nothing, null is a hole. */
export function align(lines: Line[]): [number[], ...(number | null | undefined)[][]] {
  const times = [...new Set(lines.flatMap((line) => line.times))].sort((a, b) => a - b)
  const place = new Map(times.map((time, n) => [time, n]))
  const series = lines.map((line) => {
    const values: (number | null | undefined)[] = new Array(times.length).fill(undefined)
    line.times.forEach((time, n) => { values[place.get(time) ?? 0] = line.values[n] })
    return values
  })
  return [times, ...series]
}
