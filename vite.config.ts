// Builds the inspector's page (src/inspector) into dist/inspector, from where the hub serves it.

import { defineConfig } from 'vite'

// oxlint-disable-next-line import/no-default-export -- Vite wants it
export default defineConfig({
  root: 'src/inspector',
  // The page's addresses are relative to it, whatever the hub is behind.
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/inspector',
    emptyOutDir: true,
    // Its policy allows no data: in scripts and styles, and it has one script: nothing is loaded ahead.
    assetsInlineLimit: 0,
    modulePreload: false,
    target: 'es2022',
    // What is shipped of others comes with their notices.
    license: { fileName: 'licenses.md' },
  },
})
