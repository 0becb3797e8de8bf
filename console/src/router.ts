/** Pages and who may see them; each page is loaded when it is first opened. */
import { createRouter, createWebHistory } from 'vue-router'

import { resource } from './state/catalogue'
import { may, restore } from './state/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Only for those who are not signed in. */
    public?: boolean
    /** For everyone. */
    open?: boolean
    bare?: boolean
    permission?: string
    /** The resource without which there is nothing to show. */
    needs?: string
  }
}

const readings = { permission: 'scada.readings.read' }

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', component: () => import('./views/LoginView.vue'), meta: { public: true, bare: true } },
    { path: '/home', component: () => import('./views/HomeView.vue') },
    { path: '/unauthorized', component: () => import('./views/MessageView.vue'), props: { message: 'error.forbidden' } },
    { path: '/reset/:token', component: () => import('./views/ResetView.vue'), props: true, meta: { open: true, bare: true } },
    { path: '/settings', component: () => import('./views/ProfileView.vue') },
    { path: '/gateways', component: () => import('./views/GatewaysView.vue'), meta: { permission: 'sync.gateways.read' } },
    { path: '/jobs', component: () => import('./views/JobsView.vue'), meta: { needs: 'jobs.queue' } },
    { path: '/keys', component: () => import('./views/KeysView.vue'), meta: { needs: 'identity.api-keys' } },
    { path: '/webhooks', component: () => import('./views/WebhooksView.vue'), meta: { needs: 'events.endpoints' } },
    { path: '/scada/journal', component: () => import('./views/CommandsView.vue'), meta: { needs: 'scada.commands' } },
    { path: '/scada/statistics', component: () => import('./views/StatisticsView.vue'), meta: { needs: 'scada.alarms' } },
    { path: '/scada', component: () => import('./views/GridView.vue'), meta: readings },
    { path: '/scada/values', component: () => import('./views/ValuesView.vue'), meta: readings },
    { path: '/scada/trends', component: () => import('./views/TrendsView.vue'), meta: readings },
    { path: '/scada/map', component: () => import('./views/MapView.vue'), meta: { permission: 'scada.stations.read' } },
    { path: '/scada/stations/:id/live', component: () => import('./views/StationView.vue'), props: true, meta: readings },
    { path: '/scada/alarms', component: () => import('./views/AlarmsView.vue'), meta: { permission: 'scada.alarms.read' } },
    { path: '/scada/alarms/all', component: () => import('./views/ListView.vue'), props: { plugin: 'scada', name: 'alarms' }, meta: { permission: 'scada.alarms.read' } },
    { path: '/:plugin/:name', component: () => import('./views/ListView.vue'), props: true },
    { path: '/:plugin/:name/new', component: () => import('./views/FormView.vue'), props: true },
    { path: '/:plugin/:name/:id', component: () => import('./views/DetailView.vue'), props: true },
    { path: '/:plugin/:name/:id/edit', component: () => import('./views/FormView.vue'), props: true },
    { path: '/:rest(.*)*', component: () => import('./views/MessageView.vue'), props: { message: 'error.notFound' } },
  ],
})

router.beforeEach(async (to) => {
  if (to.meta.open) return true
  const held = await restore().catch(() => false)
  if (to.meta.public) return held ? '/home' : true
  if (!held) return { path: '/', query: { next: to.fullPath } }
  if (to.meta.permission && !may(to.meta.permission)) return '/unauthorized'
  if (to.meta.needs && !resource(to.meta.needs)) return '/unauthorized'
  return true
})
