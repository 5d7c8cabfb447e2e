// Every snippet of the README, the guides and the pages on operations does what it says: each is run against a real hub, or
// says in a comment above it why it cannot be.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bundleClient } from '../client/bundle.ts'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { BrowserSnippets } from './browser-snippets.ts'
import { fencesOf, type Fence } from './fences.ts'
import { bundleReact } from './react-page.ts'
import { PAGES, type PageSetup, type ScriptKind } from './pages.ts'
import { Session } from './session.ts'

const root = new URL('../../', import.meta.url)
const RUN = ['sh', 'js', 'jsx', 'ts', 'tsx', 'html', 'json']
/** Excerpts of files in deploy/, which have tests of their own. */
const EXCERPTS = ['nginx', 'caddyfile', 'haproxy', 'ini', 'yaml', 'dockerfile']

const pages = ['README.md', ...globSync('docs/{guide,operations}/*.md', { cwd: root }).sort()]
const fences = pages.map(page => [page, fencesOf(page, readFileSync(new URL(page, root), 'utf8'))] as const)

const isRun = ({ language, notRun }: Fence): boolean => RUN.includes(language) && notRun === undefined

t.test('snippets', { ...needsBrowser, timeout: 240_000 }, async t => {
  const browser = await openBrowser(t)
  const client = await bundleClient()
  const counts: Record<string, number> = {}
  t.jobs = 2
  const ofPages = fences
    .filter(([, all]) => all.some(isRun))
    .map(([page, own]) =>
      t.test(`of ${page} do what they say`, { buffered: true }, async t => {
        const setup = PAGES[page] ?? {}
        const session = await Session.open(t, setup)
        const home = session.placed(setup.home ?? `${session.hubUrl}/errors`)
        const scripts = await BrowserSnippets.open(t, browser, home)
        const runInConsole = async (text = ''): Promise<void> => scripts.runScript(session.script(text))
        let hasScripts = false
        for (const snippet of own.filter(isRun)) {
          if (kindOf(snippet, setup) === 'console' && !hasScripts) {
            hasScripts = true
            await runInConsole(setup.scriptBefore)
          }
          await runSnippet({ t, session, scripts, client, setup, snippet })
          counts[snippet.language] = (counts[snippet.language] ?? 0) + 1
          t.pass(snippet.place)
        }
        if (hasScripts) await runInConsole(setup.scriptAfter)
      }),
    )
  await Promise.all(ofPages)

  t.test('are run, or say why not', async t => {
    t.comment(`run: ${JSON.stringify(counts)}`)
    for (const language of ['sh', 'js', 'tsx', 'html', 'json']) t.ok(counts[language]! > 0, language)
    const all = fences.flatMap(([, own]) => own).filter(({ language }) => RUN.includes(language))
    const marked = all.filter(({ notRun }) => notRun !== undefined)
    t.comment(`not run: ${marked.map(({ place, notRun }) => `${place} (${notRun})`).join(', ')}`)
    const run = Object.values(counts).reduce((sum, count) => sum + count, 0)
    t.equal(run + marked.length, all.length)
  })

  t.test('that are wrong are found out', async t => {
    const session = await Session.open(t, { before: 'millrace serve --log memory:' })
    const scripts = await BrowserSnippets.open(t, browser, `${session.hubUrl}/errors`, 2_000)
    const rejects = (running: Promise<void>, message: RegExp): Promise<unknown> =>
      t.rejects(running, { message })
    await rejects(session.run('curl https://localhost:9443/nowhere'), /MILLRACE_NOT_FOUND/)
    await rejects(
      session.run('curl https://localhost:9443/topics | jq -e .nothing\ntrue'),
      /ended with [1-9]/,
    )
    await rejects(scripts.runScript(`nowhere.publish()`), /ReferenceError/)
    await rejects(scripts.runScript(`await fetch('/nowhere')`), /404/)
    await rejects(scripts.runScript(`setTimeout(() => nowhere())\nawait new Promise(setTimeout)`), /nowhere/)
    await rejects(scripts.runHtml('<!doctype html><script>document.title = 1</script>'), /shows nothing/)
    const module = (text: string): Map<string, string> => new Map([['/snippet.js', text]])
    await rejects(session.runNode(module(`throw new Error('wrong')`)), /wrong/)
    await rejects(session.runNode(module(`import { nothing } from 'millrace'`)), /nothing/)
    await rejects(scripts.runModule(module(`nowhere.publish()`)), /nowhere/)
    await rejects(scripts.runModule(module(`await new Promise(() => {})`)), /does not end/)
    await rejects(scripts.runHtml(session.script(SILENT_PAGE)), /no event came from/)
    // The last one: it takes the hub's place.
    await rejects(session.run('millrace serve --no-such-option'), /unknown option/)
  })
})

// It listens for something that never comes.
const SILENT_PAGE = `<p>waiting</p><script>
  new EventSource('https://hub.example.org/topics/silent').addEventListener('order', () => {})
</script>`

function kindOf({ language, text }: Fence, { scripts = 'console' }: PageSetup): ScriptKind | undefined {
  if (language === 'tsx') return 'client'
  if (language !== 'js') return undefined
  if (/ from 'millrace\/client'$/m.test(text)) return 'client'
  return / from 'millrace'$/m.test(text) ? 'node' : scripts
}

t.test('excerpts of files in deploy/ stand there word by word', async t => {
  const files = globSync('deploy/*', { cwd: root }).map(file => readFileSync(new URL(file, root), 'utf8'))
  for (const { language, text, place } of fences.flatMap(([, own]) => own)) {
    t.ok(
      ['', 'text', ...RUN, ...EXCERPTS].includes(language),
      `${place}: ${language} is a language that is tested`,
    )
    if (!EXCERPTS.includes(language)) continue
    const withoutIndent = (lines: string): string => lines.replace(/^[ \t]+/gm, '')
    t.ok(
      files.some(file => withoutIndent(file).includes(withoutIndent(text))),
      place,
    )
  }
})

// What it shows comes from the hub.
const RENDERED = `
  while (!document.querySelector('#root').innerText.includes('an event'))
    await new Promise(next => setTimeout(next, 20))`

interface Run {
  readonly t: Test
  readonly session: Session
  readonly scripts: BrowserSnippets
  /** The files of `millrace/client`, bundled. */
  readonly client: ReadonlyMap<string, string>
  readonly setup: PageSetup
  readonly snippet: Fence
}

async function runSnippet(run: Run): Promise<void> {
  const { session, scripts, setup, snippet } = run
  const { place, language, text } = snippet
  try {
    if (language === 'sh') await session.run(text)
    else if (language === 'json') setup.checkJson?.(text, session.write('snippet.json', session.placed(text)))
    else if (language === 'html') await scripts.runHtml(session.placed(text))
    else await runScript(run)
  } catch (error) {
    throw new Error(`${place}: ${(error as Error).message}`, { cause: error })
  }
}

async function runScript({ t, session, scripts, client, setup, snippet }: Run): Promise<void> {
  const kind = kindOf(snippet, setup) ?? 'node'
  if (kind === 'console') return await scripts.runScript(session.script(snippet.text))
  const { before = '', after = () => '' } = setup.modules?.[kind] ?? {}
  const isReact = snippet.language === 'tsx'
  const code = isReact
    ? await bundleReact(join(t.testdir({ 'page.tsx': snippet.text }), 'page.tsx'))
    : snippet.text
  const text = `import './before.js'\n${code}\n${isReact ? RENDERED : after(snippet.text)}`
  const files = Object.entries({ '/before.js': before, '/snippet.js': text, ...setup.served })
  const placed = new Map(files.map(([path, file]) => [path, session.script(file)]))
  if (kind === 'node') return await session.runNode(placed)
  const bundle = [...client].map(([name, file]) => [`/${name}`, file] as const)
  await scripts.runModule(new Map([...bundle, ...placed]))
}

t.test('production.md shows deploy/hub.json word by word', async t => {
  const page = readFileSync(new URL('docs/guide/production.md', root), 'utf8')
  t.ok(page.includes(readFileSync(new URL('deploy/hub.json', root), 'utf8')))
})
