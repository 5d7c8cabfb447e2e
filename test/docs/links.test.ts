// Links between the pages of the repository lead somewhere, and the index names every page.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { anchorsOf, linksOf } from '../../docs/links.ts'

const root = new URL('../../', import.meta.url).pathname
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = globSync(['*.md', '{bench,certs,deploy,docs,examples,src,test}/**/*.md'], { cwd: root }).sort()

t.test('relative links name files that are there, and headings of theirs', async t => {
  for (const page of pages) {
    const own = linksOf(read(page)).filter(link => !/^[a-z]+:/.test(link))
    t.strictSame(
      own.filter(link => !leadsSomewhere(link, dirname(page), page)),
      [],
      page,
    )
  }
})

t.test('so do those of llms.txt, from the root', async t => {
  const own = linksOf(read('docs/llms.txt')).filter(link => !/^[a-z]+:/.test(link))
  t.ok(own.length > 100)
  t.strictSame(
    own.filter(link => !leadsSomewhere(link, '.')),
    [],
  )
})

t.test('links that lead nowhere are found', async t => {
  t.strictSame(linksOf('[a](b.md) `[c](d)` ![e](f.png)\n```js\n[g](h)\n```\n[i](#j)'), [
    'b.md',
    'f.png',
    '#j',
  ])
  t.strictSame([...anchorsOf('# The `a`, b_c\n## Once\n## Once\n')], ['the-a-b_c', 'once', 'once-1'])
  t.notOk(leadsSomewhere('docs/nowhere.md', '.'))
  t.notOk(leadsSomewhere('docs/README.md#nowhere', '.'))
  t.notOk(leadsSomewhere('#nowhere', '.', 'README.md'))
  t.ok(leadsSomewhere('docs/README.md#guide', '.'))
})

t.test('docs/README.md names every page once', async t => {
  const named = linksOf(read('docs/README.md')).map(link => join('docs', link))
  const all = pages.filter(page => page.startsWith('docs/') && page !== 'docs/README.md')
  t.strictSame(named.filter(link => all.includes(link)).sort(), all)
})

function leadsSomewhere(link: string, directory: string, page?: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' && page !== undefined ? page : join(directory, path)
  if (!existsSync(join(root, target))) return false
  return anchor === undefined || (target.endsWith('.md') && anchorsOf(read(target)).has(anchor))
}
