// Writes the reference pages from the code they describe; with `--check` it only says which ones have drifted.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { configurationPage } from './configuration-page.ts'
import { errorsPage } from './errors-page.ts'
import { eventsPage } from './events-page.ts'
import { httpPage } from './http-page.ts'
import { metricsPage } from './metrics-page.ts'

interface Page {
  readonly path: string
  readonly render: () => string | Promise<string>
}

const PAGES: readonly Page[] = [
  { path: 'reference/configuration.md', render: configurationPage },
  { path: 'reference/http.md', render: httpPage },
  { path: 'reference/events.md', render: eventsPage },
  { path: 'reference/errors.md', render: errorsPage },
  { path: 'reference/metrics.md', render: metricsPage },
]

const isCheck = process.argv.includes('--check')
const drifted: string[] = []
for (const page of PAGES) {
  const file = fileURLToPath(new URL(page.path, import.meta.url))
  const text = await page.render()
  if (textOf(file) === text) continue
  drifted.push(`docs/${page.path}`)
  if (!isCheck) write(file, text)
}
report()

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function report(): void {
  if (!isCheck) {
    console.log(drifted.length === 0 ? 'The reference pages are up to date.' : `Wrote ${drifted.join(', ')}.`)
  } else if (drifted.length > 0) {
    console.error(`${drifted.join(', ')}: not what the code says. Run \`node docs/generate.ts\`.`)
    process.exitCode = 1
  }
}
