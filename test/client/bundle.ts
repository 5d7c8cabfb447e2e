// The client as a page loads it: bundled and minified.

import { build } from 'vite'

const entry = new URL('../../src/client/index.ts', import.meta.url).pathname

/** The files of the bundle by their names; `client.js` is the entry. */
export async function bundleClient(): Promise<ReadonlyMap<string, string>> {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      modulePreload: false,
      rolldownOptions: {
        input: entry,
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: 'client.js', chunkFileNames: '[name].js', minify: true },
      },
    },
  })
  const outputs = (Array.isArray(result) ? result : [result]).flatMap(each =>
    'output' in each ? each.output : [],
  )
  return new Map(outputs.flatMap(file => (file.type === 'chunk' ? [[file.fileName, file.code]] : [])))
}
