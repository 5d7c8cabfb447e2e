// The version in package.json, for whoever has to say it.

import { readFileSync } from 'node:fs'

const packageJson = readFileSync(new URL('../package.json', import.meta.url), 'utf8')

export const packageVersion: string = (JSON.parse(packageJson) as { version: string }).version
