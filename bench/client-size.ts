// How much a page loads of `millrace/client`: bundled by Vite, minified, and compressed by gzip at level 9, the parser of
// event streams included. Ends with 1 above the limit.

import { gzipSync } from 'node:zlib'
import { bundleClient, bundleCore } from '../test/client/bundle.ts'

// The aim is 6,000. eventsource-parser alone takes 1,800.
const LIMIT = 8350

function gzipped(code: string): number {
  return gzipSync(code, { level: 9 }).length
}

const core = await bundleCore()
const size = gzipped(core)
const shared = (await bundleClient()).get('shared-feeds.js')!
console.log(
  `millrace/client: ${size} bytes gzipped, of ${core.length} minified; sharing a stream among tabs loads ${gzipped(shared)} more`,
)
if (size > LIMIT) {
  console.error(`millrace/client is larger than ${LIMIT} bytes`)
  process.exitCode = 1
}
