/** The menu: the control room's own pages, then the lists of every plugin. */
import { computed } from 'vue'

import { t, type Key } from '../i18n'
import { menu as lists, plugins } from './catalogue'
import { may } from './session'

interface Special {
  path: string
  title: Key
  plugin: string
  permission: string
}

const CONTROL_ROOM: Special[] = [
  { path: '/scada', title: 'menu.live', plugin: 'scada', permission: 'scada.readings.read' },
  { path: '/scada/values', title: 'menu.values', plugin: 'scada', permission: 'scada.readings.read' },
  { path: '/scada/trends', title: 'menu.trends', plugin: 'scada', permission: 'scada.readings.read' },
  { path: '/scada/map', title: 'menu.map', plugin: 'scada', permission: 'scada.stations.read' },
]

export const menu = computed(() => {
  const items = CONTROL_ROOM.filter((page) => plugins.value.has(page.plugin) && may(page.permission)).map(
    (page) => ({ path: page.path, title: t(page.title) }),
  )
  const start = { key: 'start', title: '', items: [{ path: '/home', title: t('menu.home') }] }
  const own = items.length ? [{ key: 'control-room', title: t('menu.controlRoom'), items }] : []
  return [start, ...own, ...lists.value]
})
