import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const COMPRESSED = /\.(js|css|svg)$/

/** Gzip beside each file, which the server sends as it is; and the service worker, which knows all names. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    writeBundle({ dir = '' }, bundle) {
      const names = Object.keys(bundle).filter((name) => COMPRESSED.test(name))
      const assets = JSON.stringify(names.map((name) => `/${name}`))
      const version = createHash('sha256').update(assets).digest('hex').slice(0, 12)
      const worker = readFileSync(new URL('src/sw.js', import.meta.url), 'utf8')
      writeFileSync(join(dir, 'sw.js'), worker.replace('__ASSETS__', assets).replace('__VERSION__', version))
      for (const name of names) {
        writeFileSync(join(dir, `${name}.gz`), gzipSync(readFileSync(join(dir, name)), { level: 9 }))
      }
    },
  }
}

// The build is served by `api` under a strict content security policy: no inline script, no outside host.
export default defineConfig({
  plugins: [vue(), packed()],
  build: {
    outDir: '../api/static', emptyOutDir: true, assetsDir: 'static', assetsInlineLimit: 0,
    modulePreload: { polyfill: false }, chunkSizeWarningLimit: 250,
  },
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8000', ws: true } } },
  test: { environment: 'node', include: ['tests/**/*.test.ts'], setupFiles: ['tests/setup.ts'] },
})
