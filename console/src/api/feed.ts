/** A room of live news over a WebSocket: keeps itself signed in, notices a dead line, comes back by itself. */
import { refresh, session } from './client'

export interface Reading {
  point_id: string
  time: string
  value: number | null
  text: string | null
  quality: string
  quality_code: number
}

export type Which = { points: string[] } | { device_id: string } | { station_id: string }
export type FeedState = 'connecting' | 'live' | 'lost'

interface Message {
  event_type: string
  data: unknown
  timestamp: string
}

interface Handlers<T> {
  items: (items: T[]) => void
  state: (state: FeedState) => void
  refused: (message: string) => void
}

const BEAT = 15_000
const SILENCE = 40_000
const BEFORE_END = 60_000
const FIRST_WAIT = 1_000
const LONGEST_WAIT = 30_000
const SIGN_IN_AGAIN = 4401

/** How much the server's clock is ahead of this machine's, in milliseconds. */
let ahead = 0
export const serverNow = (): number => Date.now() + ahead

/** Milliseconds before the n-th attempt to connect again: doubling, with jitter. */
export const backoff = (attempt: number, random = Math.random()): number =>
  Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt) * (1 + 0.3 * random)

export class Feed<T, W extends object> {
  private socket: WebSocket | null = null
  private wanted: W | null = null
  private attempt = 0
  private heard = 0
  private timers: number[] = []
  private closed = false

  constructor(
    private readonly module: string,
    private readonly room: string,
    private readonly on: Handlers<T>,
  ) {}

  /** Follow this instead of what was followed before. */
  watch(which: W): void {
    this.wanted = which
    if (this.socket?.readyState === WebSocket.OPEN) this.say('subscribe', which)
    else if (!this.socket) this.connect()
  }

  close(): void {
    this.closed = true
    this.stop()
  }

  private connect(): void {
    if (this.closed) return
    this.on.state(this.attempt ? 'lost' : 'connecting')
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/${this.module}/ws/${this.room}`, ['busbar', `bearer.${session.token}`])
    this.socket = socket
    socket.onopen = () => this.opened()
    socket.onmessage = (event) => this.take(JSON.parse(String(event.data)) as Message)
    socket.onclose = (event) => { if (socket === this.socket) void this.lost(event.code) }
  }

  private opened(): void {
    this.heard = Date.now()
    if (this.wanted) this.say('subscribe', this.wanted)
    this.timers.push(window.setInterval(() => this.beat(), BEAT))
  }

  private beat(): void {
    if (Date.now() - this.heard > SILENCE) {
      const dead = this.socket
      this.socket = null
      dead?.close()
      void this.lost(0)
      return
    }
    this.say('ping', {})
    if (session.expires - Date.now() < BEFORE_END) void this.prolong()
  }

  private async prolong(): Promise<void> {
    if (await refresh().catch(() => false)) this.say('auth', { token: session.token })
  }

  private take(message: Message): void {
    this.heard = Date.now()
    ahead = new Date(message.timestamp).getTime() - Date.now()
    if (message.event_type === 'subscribed') {
      this.attempt = 0
      this.on.state('live')
    } else if (message.event_type === this.room) {
      this.on.items((Array.isArray(message.data) ? message.data : [message.data]) as T[])
    } else if (message.event_type === 'error') {
      this.on.refused((message.data as { message: string }).message)
    }
  }

  private async lost(code: number): Promise<void> {
    this.stop()
    if (this.closed) return
    this.on.state('lost')
    if (code === SIGN_IN_AGAIN || this.attempt > 0) await refresh().catch(() => false)
    this.timers.push(window.setTimeout(() => this.connect(), backoff(this.attempt++)))
  }

  private say(event_type: string, data: unknown): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ event_type, data }))
  }

  private stop(): void {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers = []
    const socket = this.socket
    this.socket = null
    socket?.close()
  }
}
