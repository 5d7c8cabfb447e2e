// The client as a page loads it: bundled and minified.

import { build } from 'rolldown'

const entry = new URL('../../src/client/index.ts', import.meta.url).pathname

/** The files of the bundle by their names: `client.js` is the entry, and what it loads later is beside it. */
export async function bundleClient(): Promise<ReadonlyMap<string, string>> {
  const { output } = await build({
    input: entry,
    write: false,
    platform: 'browser',
    output: { format: 'es', minify: true, entryFileNames: 'client.js', chunkFileNames: '[name].js' },
  })
  return new Map(output.flatMap(file => (file.type === 'chunk' ? [[file.fileName, file.code]] : [])))
}

/** What a page loads that shares no stream with other tabs, in one file. */
export async function bundleCore(): Promise<string> {
  const { output } = await build({
    input: entry,
    write: false,
    platform: 'browser',
    external: id => id.endsWith('/shared-feeds.ts'),
    output: { format: 'es', minify: true },
  })
  return output[0].code
}
