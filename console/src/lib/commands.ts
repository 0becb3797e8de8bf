/** Controls of a device as they stand, and a command from its request to its end. */
import { onScopeDispose, ref } from 'vue'

import { get, post } from '../api/client'
import { Feed, type FeedState } from '../api/feed'
import type { Row } from '../state/catalogue'

export interface Control {
  id: string
  code: string
  name: string
  value: number | null
  word: string | null
  quality: string
  stale: boolean
  states: Record<string, string>
  busy: string | null
  busy_state: string | null
}

const OPEN = new Set(['requested', 'awaiting_approval', 'queued', 'sent'])

export const isOver = (command: Row): boolean => !OPEN.has(String(command['state']))
export const controlsOf = async (device: string): Promise<Control[]> =>
  (await get<{ items: Control[] }>(`/scada/controls/present?device_id=${device}`)).items

/** Ask for commands of one device and follow what becomes of them. */
export function useCommands(device: string) {
  const command = ref<Row>()
  const state = ref<FeedState>('connecting')
  const feed = new Feed<Row, { device_id: string }>('scada', 'commands', {
    items(fresh) {
      const own = fresh.find((row) => row.id === command.value?.id)
      if (own && Number(own['revision']) >= Number(command.value?.['revision'])) command.value = own
    },
    state(value) {
      const back = value === 'live' && state.value === 'lost'
      state.value = value
      if (back && command.value) void again(command.value.id)
    },
    refused: () => undefined,
  })
  feed.watch({ device_id: device })
  onScopeDispose(() => feed.close())

  async function again(id: string): Promise<void> {
    command.value = await get<Row>(`/scada/commands/${id}`).catch(() => command.value)
  }
  async function execute(control: string, value: number, reason: string, test: boolean): Promise<void> {
    command.value = await post<Row>(`/scada/controls/${control}/execute`, { value, reason, test })
    await again(command.value.id)
  }
  const cancel = async (): Promise<void> => {
    if (command.value) command.value = await post<Row>(`/scada/commands/${command.value.id}/cancel`, {})
  }
  return { command, state, execute, cancel }
}

const FAILED = new Set(['failed', 'timeout', 'unknown', 'expired', 'rejected'])

/** The class of a command's state: only what went wrong, or waits for somebody, has a colour. */
export const toneOf = (command: Row): string =>
  FAILED.has(String(command['state'])) ? 'bad' : command['state'] === 'awaiting_approval' ? 'warn' : ''
