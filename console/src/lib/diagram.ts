/**
 * The single-line diagram of a station, from its devices alone.
 *
 * Codes say what belongs together: `S1-F2-CB` and `S1-F2-M1` share the bay `S1-F2`. A device whose stem
 * stands before other bays' (`S1-INCOMER`) feeds the bar. In a bay the switch comes first.
 */
import type { Row } from '../state/catalogue'
import { groupBy } from './group'

export interface Part {
  device: Row
  points: Map<string, Row>
  isSwitch: boolean
}

export interface Bay {
  key: string
  parts: Part[]
}

export interface Diagram {
  infeeds: Part[]
  bays: Bay[]
}

/** What a diagram shows of a device; of each group the first that it has. */
export const SHOWN = {
  position: ['switch.position'],
  local: ['switch.local'],
  power: ['power.active.total', 'power.dc.total'],
  voltage: ['voltage.ll.avg', 'voltage.l12', 'voltage.avg', 'voltage.l1', 'voltage.dc'],
  current: ['current.avg', 'current.l1', 'current.total', 'current.dc'],
  frequency: ['frequency'],
} as const

export type Quantity = keyof typeof SHOWN
export const NAMES: string[] = Object.values(SHOWN).flat()

const stem = (code: string): string => (code.includes('-') ? code.slice(0, code.lastIndexOf('-')) : code)

function part(device: Row, points: Row[]): Part {
  const found = new Map<string, Row>()
  for (const [quantity, names] of Object.entries(SHOWN)) {
    const best = names.map((name) => points.find((p) => p['name'] === name)).find((p) => p !== undefined)
    if (best) found.set(quantity, best)
  }
  return { device, points: found, isSwitch: found.has('position') }
}

export function diagram(devices: Row[], points: Row[]): Diagram {
  const owned = groupBy(points, (p) => String(p['device_id']))
  const parts = devices
    .map((device) => part(device, owned.get(device.id) ?? []))
    .sort((a, b) => String(a.device['code']).localeCompare(String(b.device['code']), 'en', { numeric: true }))
  const groups = groupBy(parts, (p) => stem(String(p.device['code'])))
  const stems = [...groups.keys()]
  const out: Diagram = { infeeds: [], bays: [] }
  for (const [key, members] of groups) {
    const above = stems.some((other) => other.startsWith(`${key}-`))
    if (above) out.infeeds.push(...members)
    else out.bays.push({ key, parts: members.sort((a, b) => Number(b.isSwitch) - Number(a.isSwitch)) })
  }
  return out
}
