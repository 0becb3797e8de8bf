/** Pages and who may see them; each page is loaded when it is first opened. */
import { createRouter, createWebHistory } from 'vue-router'

import { may, restore } from './state/session'

declare module 'vue-router' {
  interface RouteMeta {
    public?: boolean
    bare?: boolean
    permission?: string
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: () => import('./views/LoginView.vue'), meta: { public: true, bare: true } },
    { path: '/home', component: () => import('./views/HomeView.vue') },
    { path: '/unauthorized', component: () => import('./views/MessageView.vue'), props: { message: 'error.forbidden' } },
    { path: '/:rest(.*)*', component: () => import('./views/MessageView.vue'), props: { message: 'error.notFound' } },
  ],
})

router.beforeEach(async (to) => {
  if (to.meta.public) return (await restore()) ? '/home' : true
  if (!(await restore())) return { path: '/', query: { next: to.fullPath } }
  if (to.meta.permission && !may(to.meta.permission)) return '/unauthorized'
  return true
})
