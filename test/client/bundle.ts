// The client as a page loads it: bundled and minified.

import { build } from 'vite'

const entry = new URL('../../src/client/index.ts', import.meta.url).pathname

/** The files of the bundle by their names: `client.js` is the entry, and what it loads later is beside it. */
export async function bundleClient(): Promise<ReadonlyMap<string, string>> {
  return await bundle(() => false)
}

/** What a page loads that shares no stream with other tabs, in one file. */
export async function bundleCore(): Promise<string> {
  const files = await bundle(id => id.endsWith('/shared-feeds.ts'))
  return files.get('client.js')!
}

async function bundle(isLeftOut: (id: string) => boolean): Promise<ReadonlyMap<string, string>> {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      target: 'es2024',
      lib: { entry, formats: ['es'], fileName: 'client' },
      // A library keeps its line ends otherwise.
      rolldownOptions: { external: isLeftOut, output: { minify: true, chunkFileNames: '[name].js' } },
    },
  })
  if (!Array.isArray(result)) throw new Error('vite has not built a library')
  const files = result.flatMap(({ output }) => output)
  return new Map(files.flatMap(file => (file.type === 'chunk' ? [[file.fileName, file.code]] : [])))
}
