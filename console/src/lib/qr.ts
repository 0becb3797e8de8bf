/** QR codes by ISO/IEC 18004: bytes, error correction M, versions 1 to 10 (up to 213 bytes). */

const ECC = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26]
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5]
const CODEWORDS = [26, 44, 70, 100, 134, 172, 196, 242, 292, 346]
const ALIGNMENT = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]]

const EXP = new Uint8Array(512)
const LOG = new Uint8Array(256)
for (let n = 0, x = 1; n < 255; n++) {
  EXP[n] = EXP[n + 255] = x
  LOG[x] = n
  x = x < 128 ? x << 1 : (x << 1) ^ 0x11d
}
const times = (a: number, b: number): number => (a && b ? EXP[LOG[a]! + LOG[b]!]! : 0)

/** The remainder of the data by the generator polynomial of this degree: the block's correction words. */
function correction(data: number[], degree: number): number[] {
  let generator = [1]
  for (let n = 0; n < degree; n++) {
    const next = [...generator, 0]
    generator.forEach((c, i) => { next[i + 1]! ^= times(c, EXP[n]!) })
    generator = next
  }
  const rest = [...data, ...new Array<number>(degree).fill(0)]
  for (let n = 0; n < data.length; n++) {
    const lead = rest[n]!
    if (lead) generator.forEach((c, i) => { rest[n + i]! ^= times(c, lead) })
  }
  return rest.slice(data.length)
}

function words(bytes: Uint8Array, version: number): number[] {
  const capacity = CODEWORDS[version - 1]! - ECC[version - 1]! * BLOCKS[version - 1]!
  const bits: number[] = []
  const push = (value: number, length: number): void => { for (let n = length - 1; n >= 0; n--) bits.push((value >> n) & 1) }
  push(4, 4)
  push(bytes.length, version < 10 ? 8 : 16)
  for (const byte of bytes) push(byte, 8)
  push(0, Math.min(4, capacity * 8 - bits.length))
  while (bits.length % 8) bits.push(0)
  const data = Array.from({ length: bits.length / 8 }, (_, n) => parseInt(bits.slice(n * 8, n * 8 + 8).join(''), 2))
  for (let pad = 0xec; data.length < capacity; pad ^= 0xec ^ 0x11) data.push(pad)
  return data
}

/** Blocks of data and correction, woven into each other. */
function woven(data: number[], version: number): number[] {
  const count = BLOCKS[version - 1]!
  const short = Math.floor(data.length / count)
  const longer = data.length % count
  const blocks: number[][] = []
  for (let n = 0, at = 0; n < count; n++) {
    const size = short + (n >= count - longer ? 1 : 0)
    blocks.push(data.slice(at, at + size))
    at += size
  }
  const codes = blocks.map((block) => correction(block, ECC[version - 1]!))
  const column = (rows: number[][], n: number): number[] => rows.flatMap((row) => (n < row.length ? [row[n]!] : []))
  return [...Array.from({ length: short + 1 }, (_, n) => column(blocks, n)), ...Array.from({ length: ECC[version - 1]! }, (_, n) => column(codes, n))].flat()
}

type Grid = (boolean | null)[][]

function frame(version: number): Grid {
  const size = version * 4 + 17
  const grid: Grid = Array.from({ length: size }, () => new Array<boolean | null>(size).fill(null))
  const set = (row: number, column: number, dark: boolean): void => { if (grid[row]?.[column] !== undefined) grid[row]![column] = dark }
  for (const [top, left] of [[0, 0], [0, size - 7], [size - 7, 0]] as const) {
    for (let r = -1; r <= 7; r++) for (let c = -1; c <= 7; c++) {
      const ring = Math.max(Math.abs(r - 3), Math.abs(c - 3))
      set(top + r, left + c, ring !== 2 && ring !== 4)
    }
  }
  for (let n = 8; n < size - 8; n++) {
    set(6, n, n % 2 === 0)
    set(n, 6, n % 2 === 0)
  }
  const places = ALIGNMENT[version - 1]!
  const last = places.at(-1) ?? 0
  for (const r of places) for (const c of places) {
    if ((r === 6 && c === 6) || (r === 6 && c === last) || (r === last && c === 6)) continue
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) set(r + y, c + x, Math.max(Math.abs(y), Math.abs(x)) !== 1)
  }
  return grid
}

/** Bits with the remainder of a BCH code behind them. */
function checked(value: number, generator: number, length: number): number {
  let rest = value << length
  for (let n = 32 - Math.clz32(rest); n > length; n = 32 - Math.clz32(rest)) rest ^= generator << (n - length - 1)
  return (value << length) | rest
}

function describe(grid: Grid, version: number, mask: number): void {
  const size = grid.length
  const format = checked(mask, 0x537, 10) ^ 0x5412
  for (let n = 0; n < 15; n++) {
    const dark = ((format >> n) & 1) === 1
    grid[n < 6 ? n : n < 8 ? n + 1 : size - 15 + n]![8] = dark
    grid[8]![n < 8 ? size - 1 - n : n === 8 ? 7 : 14 - n] = dark
  }
  grid[size - 8]![8] = true
  if (version < 7) return
  const told = checked(version, 0x1f25, 12)
  for (let n = 0; n < 18; n++) {
    const dark = ((told >> n) & 1) === 1
    grid[Math.floor(n / 3)]![size - 11 + (n % 3)] = dark
    grid[size - 11 + (n % 3)]![Math.floor(n / 3)] = dark
  }
}

const MASKS: ((r: number, c: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0, (r) => r % 2 === 0, (_, c) => c % 3 === 0, (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0, (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0, (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
]

function fill(grid: Grid, bits: number[], mask: number): boolean[][] {
  const size = grid.length
  const hidden = MASKS[mask]!
  const out = grid.map((row) => row.map(Boolean))
  let at = 0
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right--
    for (let step = 0; step < size; step++) {
      const r = up ? size - 1 - step : step
      for (const c of [right, right - 1]) {
        if (grid[r]![c] === null) out[r]![c] = ((bits[at++] ?? 0) === 1) !== hidden(r, c)
      }
    }
  }
  return out
}

const FINDER = '1011101'
/** How hard a symbol is to read: the four penalties of the standard. */
function penalty(grid: boolean[][]): number {
  const rows = grid.map((row) => row.map(Number).join(''))
  const columns = grid.map((_, c) => grid.map((row) => Number(row[c])).join(''))
  let points = 0
  for (const line of [...rows, ...columns]) {
    for (const run of line.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2
    for (let n = 0; n + 11 <= line.length; n++) {
      const part = line.slice(n, n + 11)
      if (part === `${FINDER}0000` || part === `0000${FINDER}`) points += 40
    }
  }
  for (let r = 1; r < grid.length; r++) for (let c = 1; c < grid.length; c++) {
    const here = grid[r]![c]
    if (here === grid[r - 1]![c] && here === grid[r]![c - 1] && here === grid[r - 1]![c - 1]) points += 3
  }
  const dark = rows.join('').replaceAll('0', '').length / grid.length ** 2
  return points + 10 * Math.floor(Math.abs(dark * 100 - 50) / 5)
}

/** Rows of modules, true for dark; without the quiet zone. Throws RangeError when the text is too long. */
export function qr(text: string): boolean[][] {
  const bytes = new TextEncoder().encode(text)
  const version = CODEWORDS.findIndex((all, n) => bytes.length + (n < 9 ? 2 : 3) <= all - ECC[n]! * BLOCKS[n]!) + 1
  if (version === 0) throw new RangeError('too long for a QR code')
  const bits = woven(words(bytes, version), version).flatMap((word) => Array.from({ length: 8 }, (_, n) => (word >> (7 - n)) & 1))
  const drawn = MASKS.map((_, mask) => {
    const grid = frame(version)
    describe(grid, version, mask)
    return fill(grid, bits, mask)
  })
  return drawn.reduce((best, next) => (penalty(next) < penalty(best) ? next : best))
}
