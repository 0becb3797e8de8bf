/** The menu: the control room's own pages, then the lists of every plugin. */
import { computed } from 'vue'

import { t, type Key } from '../i18n'
import { menu as lists, resource } from './catalogue'
import { may } from './session'

interface Special {
  path: string
  title: Key
  /** The resource without which the page has nothing to show. */
  needs: string
  permission: string
}

const CONTROL_ROOM: Special[] = [
  { path: '/scada', title: 'menu.live', needs: 'scada.stations', permission: 'scada.readings.read' },
  { path: '/scada/alarms', title: 'menu.alarms', needs: 'scada.alarms', permission: 'scada.alarms.read' },
  { path: '/scada/values', title: 'menu.values', needs: 'scada.stations', permission: 'scada.readings.read' },
  { path: '/scada/trends', title: 'menu.trends', needs: 'scada.stations', permission: 'scada.readings.read' },
  { path: '/scada/map', title: 'menu.map', needs: 'scada.stations', permission: 'scada.stations.read' },
]

export const menu = computed(() => {
  const items = CONTROL_ROOM.filter((page) => resource(page.needs) && may(page.permission)).map(
    (page) => ({ path: page.path, title: t(page.title) }),
  )
  const start = { key: 'start', title: '', items: [{ path: '/home', title: t('menu.home') }] }
  const own = items.length ? [{ key: 'control-room', title: t('menu.controlRoom'), items }] : []
  const special = new Set(items.map((item) => item.path))
  const rest = lists.value.map((group) => ({ ...group, items: group.items.filter((item) => !special.has(item.path)) }))
  return [start, ...own, ...rest.filter((group) => group.items.length)]
})
