// `millrace/client` as one file for browsers. Your own bundler does this when it meets the import.

import { fileURLToPath } from 'node:url'
import { build } from 'vite'

let bundle: Promise<string> | undefined

/** Made at the first call. */
export function bundleClient(): Promise<string> {
  bundle ??= bundleOnce()
  return bundle
}

async function bundleOnce(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      modulePreload: false,
      rolldownOptions: {
        input: fileURLToPath(import.meta.resolve('millrace/client')),
        preserveEntrySignatures: 'strict',
        output: { codeSplitting: false },
      },
    },
  })
  const [output] = [result].flat()
  if (output === undefined || !('output' in output)) throw new Error('The bundler has made nothing.')
  return output.output[0].code
}
