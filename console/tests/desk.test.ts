import { describe, expect, test } from 'vitest'

import { agent } from '../src/lib/agent'
import { ceiling, path, STEP, STEPS, sum } from '../src/lib/curve'
import { behind, change, total, type Energy, type Gateway } from '../src/lib/overview'
import { qr } from '../src/lib/qr'
import { lines } from '../src/lib/result'
import { score, strength } from '../src/lib/strength'
import { isOwn, moved, MOST_TABS, withoutTab, withPin, withTab, withWorkspace, type Workspace } from '../src/lib/workspaces'

const tab = (id: string, pinned = false) => ({ id, title: id, url: `/x/${id}`, pinned })
const space = (...tabs: ReturnType<typeof tab>[]): Workspace => ({ id: 's', name: 'S', tabs })
const ids = (s: Workspace): string => s.tabs.map((t) => t.id).join('')

describe('a workspace', () => {
  test('moves a tab to another place', () => expect(ids(moved(space(tab('1'), tab('2'), tab('3')), '2', 0))).toBe('213'))
  test('keeps pinned tabs first', () => {
    expect(ids(withPin(space(tab('1'), tab('2')), '2'))).toBe('21')
    expect(ids(moved(space(tab('1', true), tab('2')), '2', 0))).toBe('12')
  })
  test('is empty when its last tab is closed', () => expect(withoutTab(space(tab('1')), '1').tabs).toEqual([]))
  test('takes one address once, and not more tabs than it may hold', () => {
    expect(ids(withTab(space(tab('1')), { ...tab('2'), url: '/x/1' }))).toBe('1')
    const full = space(...Array.from({ length: MOST_TABS }, (_, n) => tab(String(n))))
    expect(withTab(full, tab('more'))).toBe(full)
  })
  test('takes no address that leaves the console or runs something', () => {
    for (const url of ['javascript:alert(1)', 'data:text/html,x', '//evil.example', '/\\evil.example', 'https://evil.example']) expect(isOwn(url), url).toBe(false)
    expect(isOwn('/scada/alarms?alarm=1')).toBe(true)
  })
  test('needs a name', () => expect(withWorkspace([], { id: 'a', name: '  ', tabs: [] })).toEqual([]))
})

describe('the load of a day', () => {
  const midnight = Date.UTC(2026, 0, 1)
  const at = (step: number, point_id: string, value: number | null) => ({ point_id, start: new Date(midnight + step * STEP).toISOString(), value, count: 1 })
  test('is the sum of all series, and unknown where one of them says nothing', () => {
    const curve = sum([at(0, 'a', 1), at(0, 'b', 2), at(1, 'a', 5), at(2, 'a', 3), at(2, 'b', null), at(-1, 'a', 9)], midnight, 2)
    expect(curve.slice(0, 4)).toEqual([3, null, null, null])
    expect(curve).toHaveLength(STEPS)
  })
  test('is drawn with holes', () => expect(path([1, null, 1, 1], 2, STEPS, 10)).toBe('M0.5 5.0M2.5 5.0L3.5 5.0'))
  test('ends at a round number', () => expect([0, 7, 11, 620_000].map((v) => ceiling([v, null]))).toEqual([1, 8, 15, 800_000]))
})

describe('figures of the overview', () => {
  const energy = (delivery: number | null): Energy => ({ purchase: null, generation: null, delivery, losses: null, loss_percent: null })
  test('add up what is known, and say nothing when nothing is', () => {
    expect(total(new Map([['a', energy(2)], ['b', energy(null)]]), 'delivery')).toBe(2)
    expect(total(new Map([['a', energy(null)]]), 'delivery')).toBeNull()
  })
  test('compare only with something', () => {
    expect(change(110, 100)).toBeCloseTo(10)
    expect(change(110, 0)).toBeNull()
  })
  test('a gateway without a reading is behind without end', () => {
    expect(behind({ newest_at: null } as Gateway, 0)).toBe(Infinity)
    expect(behind({ newest_at: new Date(1000).toISOString() } as Gateway, 5000)).toBe(4000)
  })
})

test('a password is as strong as its signs are many', () => {
  expect(['abc', 'password1', 'Test1234!'].map((p) => strength(score(p)))).toEqual(['weak', 'fair', 'strong'])
})

test('an answer is told unless it is only the row itself; a secret is told always', () => {
  expect(lines({ id: '1', revision: 2, name: 'x' })).toEqual([])
  expect(lines({ id: '1', revision: 2, secret: 's' })).toEqual([{ name: 'Secret', value: 's', secret: true }])
  expect(lines({ done: 3, other: null })).toEqual([{ name: 'Done', value: 3, secret: false }])
  expect(lines(null)).toEqual([])
})

test('a browser is told by its name and system', () => {
  expect(agent('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36')).toBe('Chrome 126 · Linux')
  expect(agent('curl/8.0')).toBe('curl/8.0')
})

describe('a QR code', () => {
  const told = (text: string): string[] => qr(text).map((row) => row.map((dark) => (dark ? '#' : '.')).join(''))
  test('has its three finders, its timing and the size of its version', () => {
    const rows = told('otpauth://totp/Busbar:a%40b.example?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=Busbar')
    expect(rows).toHaveLength(41)
    for (const line of [rows[0]!.slice(0, 7), rows[0]!.slice(-7), rows.at(-1)!.slice(0, 7)]) expect(line).toBe('#######')
    expect(rows[6]!.slice(6, 13)).toBe('#.#.#.#')
  })
  test('refuses what it cannot hold', () => expect(() => qr('x'.repeat(300))).toThrow(RangeError))
  test('of HELLO is the one of the standard', () => expect(told('HELLO')).toMatchSnapshot())
})
