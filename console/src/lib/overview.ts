/** What the first page of a control room tells, gathered from what one may read. */
import { get } from '../api/client'
import { all, list } from '../api/rows'
import { plugins, resource, type Row } from '../state/catalogue'
import { may } from '../state/session'

export interface Energy {
  purchase: number | null
  generation: number | null
  delivery: number | null
  losses: number | null
  loss_percent: number | null
}

export interface GatewayNote {
  at: string
  level: string
  code: string
  message: string
}

export interface Gateway {
  id: string
  name: string
  enabled: boolean
  created_at: string
  newest_at: string | null
  uploaded_at: string | null
  readings: number
  duplicates: number
  lives: number
  points: number
  orders: number
  gaps: { device: string; cause: string; since: string; until: string | null; lost: number }[]
  notes: GatewayNote[]
}

const MINUTE = 60_000
const DAY = 1440 * MINUTE
/** After this long without news a gateway is said to be late. */
export const LATE = 2 * MINUTE
const FEW = 6

export const behind = (gateway: Gateway, now: number): number => (gateway.newest_at ? Math.max(0, now - new Date(gateway.newest_at).getTime()) : Infinity)

export const gateways = async (): Promise<Gateway[]> =>
  plugins.value.has('fleet') && may('sync.gateways.read') ? (await get<{ items: Gateway[] }>('/sync/gateways')).items : []

async function energyOf(from: number, to: number): Promise<Map<string, Energy>> {
  const query = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() })
  const found = await get<{ items: { station_id: string; energy: Energy }[] }>(`/scada/energy?${query}`)
  return new Map(found.items.map((item) => [item.station_id, item.energy]))
}

/** kWh of all stations together; null where none says. */
export function total(found: ReadonlyMap<string, Energy>, field: keyof Energy): number | null {
  const said = [...found.values()].map((e) => e[field]).filter((v): v is number => typeof v === 'number')
  return said.length ? said.reduce((a, b) => a + b, 0) : null
}

/** How much more than before, in %; null where that says nothing. */
export const change = (now: number | null, before: number | null): number | null =>
  now === null || before === null || before <= 0 ? null : ((now - before) / before) * 100

/** Today so far, and yesterday until the same time of day. */
export async function energies(now: number): Promise<{ today: Map<string, Energy>; yesterday: Map<string, Energy> }> {
  const midnight = new Date(now).setHours(0, 0, 0, 0)
  const before = new Date(midnight - DAY / 2).setHours(0, 0, 0, 0)
  const [today, yesterday] = await Promise.all([energyOf(midnight, now), energyOf(before, before + (now - midnight))])
  return { today, yesterday }
}

async function count(key: string, narrowed: Record<string, string>): Promise<number> {
  const res = resource(key)
  return res ? ((await list(res, new URLSearchParams({ ...narrowed, limit: '1' }))).total ?? 0) : 0
}

export interface Counts {
  devices: number
  online: number
  approvals: number
  failed: number
}

export async function counts(now: number): Promise<Counts> {
  const [devices, online, approvals, failed] = await Promise.all([
    count('scada.devices', { is_active: 'true' }),
    count('scada.devices', { is_active: 'true', status: 'online' }),
    count('scada.commands', { state: 'awaiting_approval' }),
    count('jobs.queue', { status: 'failed', created_at__gte: new Date(now - DAY).toISOString() }),
  ])
  return { devices, online, approvals, failed }
}

export async function stations(): Promise<Row[]> {
  const res = resource('scada.stations')
  return res ? all(res, { is_active: 'true', sort: 'name' }) : []
}

export async function commands(): Promise<Row[]> {
  const res = resource('scada.commands')
  return res ? (await list(res, new URLSearchParams({ sort: '-requested_at', limit: String(FEW) }))).items : []
}
