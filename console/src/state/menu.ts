/** The menu: the control room's own pages, those of whoever runs the system, then the lists of every plugin. */
import { computed } from 'vue'

import type { Icon } from '../components/AppIcon.vue'
import { label, t, type Key } from '../i18n'
import { listPath, menu as lists, plugins, resource } from './catalogue'
import { may } from './session'

interface Page {
  path: string
  title: Key
  icon: Icon
  /** The resource without which the page has nothing to show; or the plugin, and what one has to be allowed. */
  needs?: string
  plugin?: string
  permission?: string
}

export interface MenuItem {
  path: string
  title: string
  icon?: Icon
}

export interface MenuGroup {
  key: string
  title: string
  items: MenuItem[]
}

export const PAGES: Record<'room' | 'system', Page[]> = {
  room: [
    { path: '/scada', title: 'menu.live', icon: 'live', plugin: 'scada', permission: 'scada.readings.read' },
    { path: '/scada/alarms', title: 'menu.alarms', icon: 'alarm', needs: 'scada.alarms' },
    { path: '/scada/values', title: 'menu.values', icon: 'values', plugin: 'scada', permission: 'scada.readings.read' },
    { path: '/scada/trends', title: 'menu.trends', icon: 'trends', plugin: 'scada', permission: 'scada.readings.read' },
    { path: '/scada/map', title: 'menu.map', icon: 'map', plugin: 'scada', permission: 'scada.stations.read' },
    { path: '/scada/journal', title: 'menu.journal', icon: 'commands', needs: 'scada.commands' },
    { path: '/scada/statistics', title: 'menu.statistics', icon: 'statistics', needs: 'scada.alarms' },
  ],
  system: [
    { path: '/gateways', title: 'menu.gateways', icon: 'gateways', plugin: 'fleet', permission: 'sync.gateways.read' },
    { path: '/jobs', title: 'menu.jobs', icon: 'jobs', needs: 'jobs.queue' },
    { path: '/keys', title: 'menu.keys', icon: 'keys', needs: 'identity.api-keys' },
    { path: '/webhooks', title: 'menu.webhooks', icon: 'webhooks', needs: 'events.endpoints' },
  ],
}

/** Lists that a page of their own stands for. */
const STAND_IN = new Set(['identity.api-keys', 'jobs.queue', 'events.endpoints', 'events.deliveries', 'scada.commands', 'scada.alarms'])

const isOpen = (page: Page): boolean =>
  (!page.needs || resource(page.needs) !== undefined) && (!page.plugin || plugins.value.has(page.plugin)) && (!page.permission || may(page.permission))
const open = (pages: Page[]): MenuItem[] =>
  pages.filter(isOpen).map((page) => ({ path: page.path, title: t(page.title), icon: page.icon }))

export const menu = computed<MenuGroup[]>(() => {
  const own = [
    { key: 'start', title: '', items: [{ path: '/home', title: t('menu.home'), icon: 'home' as const }] },
    { key: 'control-room', title: t('menu.controlRoom'), items: open(PAGES.room) },
    { key: 'system', title: t('menu.system'), items: open(PAGES.system) },
  ]
  const rest = lists.value.map((group) => ({
    key: group.key,
    title: group.title,
    items: group.items.filter((key) => !STAND_IN.has(key)).flatMap((key) => {
      const res = resource(key)
      return res ? [{ path: listPath(res), title: label(res.label, res.name) }] : []
    }),
  }))
  return [...own, ...rest].filter((group) => group.items.length)
})
