// Holds ARCHITECTURE.md against the code: who imports whom, and the files that it names.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = new URL('..', import.meta.url).pathname
const architecture = readFileSync(`${root}ARCHITECTURE.md`, 'utf8')
const VOCABULARY = ['event', 'errors', 'topic-pattern', 'nesting', 'version', 'thread-calls']

t.test('folders import only what ARCHITECTURE.md allows', async t => {
  const rows = [...architecture.matchAll(/^\| `(\w+)` +\| (.+?) +\|$/gm)]
  t.ok(rows.length >= 9, 'the table was found')
  for (const [, folder, cell] of rows) {
    const allowed = [...cell!.matchAll(/`(\w+)`/g)].map(match => match[1]!)
    t.same(
      importsOf(folder!).filter(name => !allowed.includes(name)),
      [],
      `${folder} imports nothing else`,
    )
    t.same(
      allowed.filter(name => !importsOf(folder!).includes(name)),
      [],
      `${folder} imports all that is listed`,
    )
  }
})

const FASTIFY_USERS = ['http', 'routes', 'embed', 'service.ts', 'listener.ts']

t.test('Fastify appears only where requests are answered', async t => {
  const users = sources('**/*.ts').filter(([, text]) => /from '(@fastify\/|fastify)/.test(text))
  t.same(
    users.map(([path]) => path.split('/')[0]).filter(top => !FASTIFY_USERS.includes(top!)),
    [],
  )
})

t.test('only config/environment.ts reads the environment', async t => {
  const readers = sources('**/*.ts').filter(([, text]) => text.includes('process.env'))
  t.same(
    readers.map(([path]) => path),
    ['config/environment.ts'],
  )
})

t.test('every file exists that ARCHITECTURE.md and the guarantees name', async t => {
  const guarantees = readFileSync(`${root}docs/operations/guarantees.md`, 'utf8')
  const names = `${architecture}${guarantees}`.matchAll(/`((?:src|test|docs|bench)\/[\w./-]+)`/g)
  const named = [...names].map(match => match[1]!)
  t.ok(named.length > 10)
  t.same(
    named.filter(path => !existsSync(root + path)),
    [],
  )
})

/** The top-level names under src that the files of a folder import, but for the vocabulary. */
function importsOf(folder: string): string[] {
  const found = new Set<string>()
  for (const [path, text] of sources(`${folder}/**/*.{ts,tsx}`)) {
    for (const [, imported] of text.matchAll(/(?:from |import\()'(\.\.?\/[\w./-]+)'/g)) {
      found.add(join(dirname(path), imported!).split('/')[0]!.replace(/\.ts$/, ''))
    }
  }
  return [...found].filter(name => name !== folder && !VOCABULARY.includes(name)).toSorted()
}

function sources(pattern: string): [path: string, text: string][] {
  const paths = globSync(pattern, { cwd: `${root}src` }).toSorted()
  return paths.map(path => [path, readFileSync(`${root}src/${path}`, 'utf8')])
}
