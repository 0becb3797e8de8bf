/** Workspaces and their tabs: an address of this console under a name, kept in order, pinned ones first. */

export interface Tab {
  id: string
  title: string
  url: string
  pinned: boolean
}

export interface Workspace {
  id: string
  name: string
  tabs: Tab[]
}

export const MOST_WORKSPACES = 30
export const MOST_TABS = 50
const LONGEST_URL = 1000
const LONGEST_NAME = 255

/** An address within this console: neither another host nor a scheme that runs something. */
export const isOwn = (url: string): boolean => /^\/(?![/\\])/.test(url) && url.length <= LONGEST_URL

const ordered = (tabs: Tab[]): Tab[] => [...tabs.filter((t) => t.pinned), ...tabs.filter((t) => !t.pinned)]
const named = (name: string): string => name.trim().slice(0, LONGEST_NAME)

/** The workspace with one tab more; the same address is kept once. */
export function withTab(space: Workspace, tab: Tab): Workspace {
  if (!isOwn(tab.url) || space.tabs.length >= MOST_TABS || space.tabs.some((t) => t.url === tab.url)) return space
  return { ...space, tabs: ordered([...space.tabs, { ...tab, title: named(tab.title) || tab.url }]) }
}

export const withoutTab = (space: Workspace, id: string): Workspace => ({ ...space, tabs: space.tabs.filter((t) => t.id !== id) })

export const withPin = (space: Workspace, id: string): Workspace => ({
  ...space,
  tabs: ordered(space.tabs.map((t) => (t.id === id ? { ...t, pinned: !t.pinned } : t))),
})

/** Move a tab to the place of another, pinned tabs staying first. */
export function moved(space: Workspace, id: string, to: number): Workspace {
  const tab = space.tabs.find((t) => t.id === id)
  if (!tab) return space
  const rest = space.tabs.filter((t) => t.id !== id)
  const place = Math.max(0, Math.min(rest.length, to))
  return { ...space, tabs: ordered([...rest.slice(0, place), tab, ...rest.slice(place)]) }
}

export function withWorkspace(spaces: Workspace[], space: Workspace): Workspace[] {
  const name = named(space.name)
  return !name || spaces.length >= MOST_WORKSPACES ? spaces : [...spaces, { ...space, name }]
}
