import { globSync, readFileSync } from 'node:fs'
import t from 'tap'
import { ERRORS } from '../src/errors.ts'

t.test('every error of the catalogue is thrown somewhere', async t => {
  const root = new URL('../src/', import.meta.url).pathname
  const files = globSync('**/*.ts', { cwd: root }).filter(path => path !== 'errors.ts')
  const code = files.map(path => readFileSync(root + path, 'utf8')).join('\n')
  t.same(
    Object.keys(ERRORS).filter(name => !code.includes(`'${name}'`)),
    [],
  )
})
