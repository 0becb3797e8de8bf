import { describe, expect, test } from 'vitest'

import { backoff, type Reading } from '../src/api/feed'
import { merge, order } from '../src/lib/alarms'
import { diagram } from '../src/lib/diagram'
import { build, operators, parse } from '../src/lib/filters'
import { plan } from '../src/lib/map'
import { patience, trust } from '../src/lib/readings'
import { align, append, bucketFor } from '../src/lib/trend'
import { engineering } from '../src/lib/units'
import { body, draft, NotReadable } from '../src/lib/values'
import type { Field, Resource, Row } from '../src/state/catalogue'
import { permits } from '../src/state/permissions'

const field = (name: string, kind: string, more: Partial<Field> = {}): Field => ({ name, kind, label: {}, ...more })
const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 1440 * MINUTE

describe('permissions', () => {
  test('are granted by themselves, by a star in a segment and by a last star', () => {
    expect(permits(['scada.points.read'], 'scada.points.read')).toBe(true)
    expect(permits(['*.points.read'], 'scada.points.read')).toBe(true)
    expect(permits(['scada.*'], 'scada.points.read')).toBe(true)
    expect(permits(['scada.*'], 'scada')).toBe(false)
    expect(permits(['scada.points'], 'scada.points.read')).toBe(false)
  })
  test('are taken away by an exclamation mark, whatever grants them', () => {
    expect(permits(['*', '!scada.points.write'], 'scada.points.write')).toBe(false)
    expect(permits(['*', '!scada.points.write'], 'scada.points.read')).toBe(true)
  })
})

describe('filters', () => {
  const resource = { filters: ['code', 'status'] } as Resource
  test('go to the address and back', () => {
    const filters = [{ field: 'code', operator: 'prefix' as const, value: 'SS1' }, { field: 'status', operator: '' as const, value: 'online' }]
    const query = build(filters, { q: '', page: 2, sort: undefined })
    expect(query).toEqual({ page: '2', code__prefix: 'SS1', status: 'online' })
    expect(parse(query, resource)).toEqual(filters)
  })
  test('that the list does not know are left out', () => {
    expect(parse({ secret: '1', code__like: 'x', page: '3' }, resource)).toEqual([])
  })
  test('ask of a field only what makes sense for it', () => {
    expect(operators(field('a', 'boolean'))).toEqual([''])
    expect(operators(field('a', 'number', { nullable: true }))).toContain('null')
    expect(operators(field('a', 'number'))).not.toContain('prefix')
  })
})

describe('forms', () => {
  const fields = [field('name', 'text'), field('size', 'number', { nullable: true }), field('tags', 'list'), field('extra', 'json', { nullable: true })]
  const row = { id: '1', name: 'A', size: 2.5, tags: ['x'], extra: null } as Row
  test('send only what was changed, and null for what was emptied', () => {
    const before = draft(fields, row)
    expect(body(fields, { ...before, size: '' }, before)).toEqual({ size: null })
    expect(body(fields, { ...before, tags: ['x', ' y ', ''] }, before)).toEqual({ tags: ['x', 'y'] })
    expect(body(fields, before, before)).toEqual({})
  })
  test('leave out what a new row was not given', () => {
    expect(body(fields, { ...draft(fields), name: ' B ' })).toEqual({ name: 'B', tags: [] })
  })
  test('refuse what cannot be read, by its field', () => {
    const before = draft(fields, row)
    expect(() => body(fields, { ...before, size: '1,5' }, before)).toThrow(NotReadable)
    expect(() => body(fields, { ...before, extra: '{' }, before)).toThrow(NotReadable)
  })
})

describe('live values', () => {
  const now = Date.UTC(2026, 0, 1)
  const point = { id: 'p', scan_rate_ms: 1000 } as unknown as Row
  const reading = (quality: string, age: number): Reading => ({ point_id: 'p', time: new Date(now - age).toISOString(), value: 1, text: null, quality, quality_code: 0 })
  const of = (quality: string, age: number, state: 'live' | 'lost' = 'live') => trust(reading(quality, age), patience(point), now, state)
  test('are believed while they are fresh and good', () => expect(of('good', SECOND)).toBe('good'))
  test('are old when they are older than their scan allows', () => expect(of('good', MINUTE)).toBe('stale'))
  test('are all old when the line is cut', () => expect(of('good', SECOND, 'lost')).toBe('stale'))
  test('are old when the gateway says so', () => expect(of('stale', SECOND)).toBe('stale'))
  test('are doubtful, bad or absent as their quality says', () => {
    expect(of('uncertain', SECOND)).toBe('doubtful')
    expect(of('bad', SECOND)).toBe('bad')
    expect(trust(undefined, 1, now, 'live')).toBe('none')
  })
  test('are asked for again ever more slowly, at most every 39 s', () => {
    expect([0, 1, 2].map((n) => backoff(n, 0))).toEqual([1000, 2000, 4000])
    expect(backoff(20, 1)).toBe(39_000)
  })
  test('are written with a prefix that keeps them short', () => {
    expect(engineering(357_100, 'W')).toEqual({ value: '357.1', unit: 'kW' })
    expect(engineering(-2_500_000, 'W')).toEqual({ value: '-2.5', unit: 'MW' })
    expect(engineering(832_765, 'kWh')).toEqual({ value: '832,765', unit: 'kWh' })
  })
})

describe('trends', () => {
  test('pick the finest buckets that a period can be drawn with', () => {
    expect([MINUTE, DAY / 4, DAY, 7 * DAY, 30 * DAY, 365 * DAY, 3650 * DAY].map(bucketFor)).toEqual(['raw', '1m', '5m', '15m', '1h', '1d', '1mo'])
  })
  test('grow at their end only, and show a hole where a value is not to be believed', () => {
    const line = { times: [], values: [], good: [] }
    const at = (seconds: number, quality: string): Reading => ({ point_id: 'p', time: new Date(seconds * SECOND).toISOString(), value: seconds, text: null, quality, quality_code: 0 })
    for (const reading of [at(1, 'good'), at(3, 'bad'), at(2, 'good'), at(4, 'uncertain')]) append(line, reading)
    expect(line).toEqual({ times: [1, 3, 4], values: [1, null, 4], good: [true, false, false] })
  })
  test('share one axis of time', () => {
    const a = { times: [1, 3], values: [10, 30], good: [true, true] }
    const b = { times: [2, 3], values: [null, 31], good: [false, true] }
    expect(align([a, b])).toEqual([[1, 2, 3], [10, undefined, 30], [undefined, null, 31]])
  })
})

describe('the diagram of a station', () => {
  const device = (code: string): Row => ({ id: code, code })
  const point = (owner: string, name: string): Row => ({ id: `${owner}.${name}`, device_id: owner, name })
  const devices = ['S1-F2-M10', 'S1-F2-M9', 'S1-F2-CB', 'S1-IN', 'S1-F1-M1', 'LONER'].map(device)
  const drawn = diagram(devices, [point('S1-F2-CB', 'switch.position'), point('S1-IN', 'voltage.l1'), point('S1-IN', 'voltage.avg')])
  test('puts devices of one stem into one bay, the switch first', () => {
    const bay = drawn.bays.find((b) => b.key === 'S1-F2')
    expect(bay?.parts.map((p) => p.device.id)).toEqual(['S1-F2-CB', 'S1-F2-M9', 'S1-F2-M10'])
    expect(drawn.bays.map((b) => b.key)).toEqual(['LONER', 'S1-F1', 'S1-F2'])
  })
  test('feeds the bar from the device whose stem stands before the bays', () => {
    expect(drawn.infeeds.map((p) => p.device.id)).toEqual(['S1-IN'])
    expect(drawn.infeeds[0]?.points.get('voltage')?.['name']).toBe('voltage.avg')
  })
})

test('a map puts north up and east to the right, and leaves out what has no place', () => {
  const station = (id: string, latitude: number | null, longitude: number): Row => ({ id, latitude, longitude })
  const { places } = plan([station('sw', 14, 42), station('ne', 16, 44), station('none', null, 44)], 1000, 600)
  const [sw, ne] = places
  expect(places).toHaveLength(2)
  expect(ne!.x).toBeGreaterThan(sw!.x)
  expect(ne!.y).toBeLessThan(sw!.y)
})

describe('alarms', () => {
  const alarm = (id: string, severity: string, status: string, raised_at: string, revision = 1): Row => ({ id, severity, status, raised_at, revision })
  test('stand gravest first, then those that wait, then the newest', () => {
    const rows = [alarm('a', 'warning', 'active', '1'), alarm('b', 'critical', 'acknowledged', '9'), alarm('c', 'critical', 'active', '1'), alarm('d', 'critical', 'active', '2')]
    expect(order(rows).map((r) => r.id)).toEqual(['d', 'c', 'b', 'a'])
  })
  test('go when they are closed, and an older word does not undo a newer one', () => {
    const known = merge(new Map(), [alarm('a', 'info', 'acknowledged', '1', 3), alarm('b', 'info', 'active', '1')])
    const now = merge(known, [alarm('a', 'info', 'active', '1', 2), alarm('b', 'info', 'closed', '1', 2)])
    expect([...now.values()].map((r) => [r.id, r['status']])).toEqual([['a', 'acknowledged']])
  })
})
