// deploy/alerts.yml: it asks for metrics that there are, and wakes people for what it says.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { needs, run } from '../support/commands.ts'
import { startHub } from '../support/hub.ts'

const file = new URL('../../deploy/alerts.yml', import.meta.url)
const rules = readFileSync(file, 'utf8')
const named = new Set([...rules.matchAll(/\b(?:millrace|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name))

t.test('every metric that an alert asks for is described and served, by one thread or several', async t => {
  t.ok(named.size >= 8)
  const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8')
  for (const name of named) if (name.startsWith('millrace_')) t.match(page, `| \`${name}\` |`)
  for (const workers of [1, 2]) {
    const hub = await startHub(t, { workers })
    const served = await (await hub.fetch('/metrics')).text()
    t.same(
      [...named].filter(name => !served.includes(`# TYPE ${name} `)),
      [],
      `${workers} thread(s)`,
    )
  }
})

t.test('alerts fire for what they are for, and for nothing else', needs('promtool'), async t => {
  const directory = t.testdir()
  copyFileSync(file, join(directory, 'alerts.yml'))
  const cases = readFileSync(new URL('alert-cases.yml', import.meta.url), 'utf8')
  writeFileSync(join(directory, 'cases.yml'), `rule_files: [alerts.yml]\n${cases}`)
  for (const args of [
    ['check', 'rules', 'alerts.yml'],
    ['test', 'rules', 'cases.yml'],
  ]) {
    const { code, stdout, stderr } = await run('promtool', args, { cwd: directory })
    t.equal(code, 0, `${stdout}${stderr}`)
  }
})
