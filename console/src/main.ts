import './styles/tokens.css'
import './styles/base.css'
import './styles/components.css'

import { createApp } from 'vue'

import { session } from './api/client'
import App from './App.vue'
import { followLanguage } from './i18n'
import { router } from './router'
import { followConnection } from './state/connection'
import { forget, may, relearn } from './state/session'
import { followTheme } from './state/theme'

followLanguage()
followTheme()
followConnection()
session.onSignedOut(() => {
  forget()
  const here = router.currentRoute.value
  if (!here.meta.public) void router.push({ path: '/', query: { next: here.fullPath } })
})
session.onForbidden(() => {
  void relearn().then(() => {
    const wanted = router.currentRoute.value.meta.permission
    if (wanted && !may(wanted)) void router.push('/unauthorized')
  })
})
createApp(App).use(router).mount('#app')
if (import.meta.env.PROD && 'serviceWorker' in navigator) void navigator.serviceWorker.register('/sw.js')
