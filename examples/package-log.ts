// Prints what Debian's package database knows as one long log: each package's changelog, then each of its files.

import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const changelogs = globSync('/usr/share/doc/*/changelog*.gz').sort()
const fileLists = globSync('/var/lib/dpkg/info/*.list').sort()

for (const path of changelogs) await print(path, gunzipSync(readFileSync(path)))
for (const path of fileLists) await print(path, readFileSync(path))

async function print(path: string, content: Buffer): Promise<void> {
  // Old changelogs are not always UTF-8; what is not becomes U+FFFD here, as a log shipper would do it.
  const lines = new TextDecoder().decode(content).split(/\r\n|\r|\n/)
  const text = lines.map(line => `${path}: ${line}\n`).join('')
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}
