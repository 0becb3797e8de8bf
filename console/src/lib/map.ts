/** Stations on a plain map: Mercator, fitted to where they are. */
import type { Row } from '../state/catalogue'

export interface Place {
  station: Row
  x: number
  y: number
}

export interface Plan {
  places: Place[]
  meridians: { at: number; text: string }[]
  parallels: { at: number; text: string }[]
}

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45]
const LINES = 6
const LEAST = 0.05
const EDGE = 0.12

const mercator = (latitude: number): number => {
  const angle = (Math.max(-85, Math.min(85, latitude)) * Math.PI) / 180
  return (Math.log(Math.tan(Math.PI / 4 + angle / 2)) * 180) / Math.PI
}
const isPlaced = (row: Row): boolean => typeof row['latitude'] === 'number' && typeof row['longitude'] === 'number'

function lines(from: number, to: number): number[] {
  const step = STEPS.find((s) => (to - from) / s <= LINES) ?? 45
  const out: number[] = []
  for (let v = Math.ceil(from / step) * step; v <= to; v += step) out.push(Number(v.toFixed(4)))
  return out
}

/** Where each station stands on a sheet of this size, with a grid of degrees. */
export function plan(stations: Row[], width: number, height: number): Plan {
  const placed = stations.filter(isPlaced).map((station) => ({ station, lon: Number(station['longitude']), lat: Number(station['latitude']) }))
  if (!placed.length) return { places: [], meridians: [], parallels: [] }
  const lons = placed.map((p) => p.lon)
  const lats = placed.map((p) => mercator(p.lat))
  const [west, east, south, north] = [Math.min(...lons), Math.max(...lons), Math.min(...lats), Math.max(...lats)]
  const scale = Math.min(width / Math.max(LEAST, east - west), height / Math.max(LEAST, north - south)) * (1 - 2 * EDGE)
  const toX = (lon: number): number => width / 2 + (lon - (west + east) / 2) * scale
  const toY = (lat: number): number => height / 2 - (mercator(lat) - (south + north) / 2) * scale
  const half = { lon: width / 2 / scale, lat: height / 2 / scale }
  const middle = { lon: (west + east) / 2, lat: placed.reduce((sum, p) => sum + p.lat, 0) / placed.length }
  return {
    places: placed.map(({ station, lon, lat }) => ({ station, x: toX(lon), y: toY(lat) })),
    meridians: lines(middle.lon - half.lon, middle.lon + half.lon).map((v) => ({ at: toX(v), text: `${v}°` })),
    parallels: lines(middle.lat - half.lat, middle.lat + half.lat).map((v) => ({ at: toY(v), text: `${v}°` })),
  }
}
