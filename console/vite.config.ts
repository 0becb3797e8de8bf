import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// The build is served by `api` under a strict content security policy: no inline script, no outside host.
export default defineConfig({
  plugins: [vue()],
  build: { outDir: '../api/static', emptyOutDir: true, assetsDir: 'static', modulePreload: { polyfill: false } },
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8000', ws: true } } },
})
