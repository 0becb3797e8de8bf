/** Light or dark: what was chosen, else what the system prefers. */
import { ref, watchEffect } from 'vue'

type Theme = 'light' | 'dark'
const STORED = 'busbar_theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')

const preferred = (): Theme => (system.matches ? 'dark' : 'light')
const stored = (): Theme | null => {
  const value = localStorage.getItem(STORED)
  return value === 'light' || value === 'dark' ? value : null
}

export const theme = ref<Theme>(stored() ?? preferred())

export function toggleTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark'
  localStorage.setItem(STORED, theme.value)
}

export function followTheme(): void {
  system.addEventListener('change', () => {
    if (!stored()) theme.value = preferred()
  })
  watchEffect(() => {
    document.documentElement.dataset['theme'] = theme.value
  })
}
