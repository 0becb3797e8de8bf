import './styles/tokens.css'
import './styles/base.css'
import './styles/components.css'

import { createApp } from 'vue'

import App from './App.vue'
import { followLanguage } from './i18n'
import { router } from './router'
import { followTheme } from './state/theme'

followLanguage()
followTheme()
createApp(App).use(router).mount('#app')
