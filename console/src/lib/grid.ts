/** Stations, devices and points of the grid, as live pages need them. */
import { all, learnNames, one } from '../api/rows'
import { resource, type Resource, type Row } from '../state/catalogue'

function known(key: string): Resource {
  const found = resource(key)
  if (!found) throw new Error(`no resource ${key}`)
  return found
}

export const stationOf = async (id: string): Promise<Row> => (await one(known('scada.stations'), id)).data
export const stations = (): Promise<Row[]> => all(known('scada.stations'), { sort: 'name' })
export const devicesOf = (station: string): Promise<Row[]> => all(known('scada.devices'), { station_id: station, sort: 'code' })
export const pointsOf = (device: string): Promise<Row[]> =>
  all(known('scada.points'), { device_id: device, is_active: 'true', sort: 'name' })

/** Points of these names of these devices. */
export async function pointsNamed(devices: Row[], names: string[]): Promise<Row[]> {
  if (!devices.length) return []
  return all(known('scada.points'), {
    device_id__in: devices.map((d) => d.id).join(','),
    name__in: names.join(','),
    is_active: 'true',
  })
}

/** Points by id, with the names of their devices at hand. */
export async function pointsById(ids: string[]): Promise<Row[]> {
  if (!ids.length) return []
  const rows = await all(known('scada.points'), { id__in: ids.join(',') })
  await learnNames('scada.devices', rows.map((row) => String(row['device_id'])))
  return ids.flatMap((id) => rows.find((row) => row.id === id) ?? [])
}
