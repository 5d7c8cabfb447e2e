// `npm run example chat` starts an example's server. The script's flag has `millrace` mean the sources of this repository.

import { existsSync, globSync } from 'node:fs'

const name = process.argv[2] ?? ''
const server = new URL(`${name}/server.ts`, import.meta.url)

if (/^\w+$/.test(name) && existsSync(server)) await import(server.href)
else {
  const names = globSync('*/server.ts', { cwd: import.meta.dirname }).map(path => path.split(/[/\\]/)[0]!)
  process.stderr.write(`Which one? npm run example ${names.sort().join('|')}\n`)
  process.exitCode = 1
}
