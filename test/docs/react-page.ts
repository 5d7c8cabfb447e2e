// A page that is written for React: type-checked, and bundled with `preact/compat` in React's place, whose hooks mean the same.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { run } from '../support/commands.ts'
import { fencesOf } from './fences.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The page in docs/guide/client.md. */
export function reactSnippet(): string {
  const path = 'docs/guide/client.md'
  const fences = fencesOf(path, readFileSync(join(root, path), 'utf8'))
  return fences.find(({ language }) => language === 'tsx')!.text
}

/** The module, a file in a folder of the repository, and what it imports in one, but for `millrace/client`. */
export async function bundleReact(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    resolve: {
      alias: [
        { find: 'react/jsx-runtime', replacement: 'preact/jsx-runtime' },
        { find: 'react-dom/client', replacement: 'preact/compat/client' },
        { find: 'react', replacement: 'preact/compat' },
      ],
    },
    build: {
      write: false,
      target: 'es2024',
      lib: { entry, formats: ['es'] },
      rolldownOptions: { external: 'millrace/client' },
    },
  })
  if (!Array.isArray(built)) throw new Error('vite has not built a library')
  const [file] = built.flatMap(({ output }) => output)
  if (file?.type !== 'chunk') throw new Error('vite has built no script')
  return file.code
}

/** What the compiler has against `page.tsx` in this folder of the repository; '' is nothing. Set up as Vite's own template for React. */
export async function typeFaults(directory: string): Promise<string> {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'dom', 'dom.iterable'],
    module: 'esnext',
    moduleResolution: 'bundler',
    customConditions: ['millrace-source'],
    types: [],
    jsx: 'react-jsx',
    strict: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
    paths: {
      react: ['./react.d.ts'],
      'react/jsx-runtime': [join(root, 'node_modules/preact/jsx-runtime/src/index.d.ts')],
      'react-dom/client': [join(root, 'node_modules/preact/compat/client.d.ts')],
    },
  }
  writeFileSync(join(directory, 'react.d.ts'), REACT)
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['page.tsx'] }))
  // Not under tap, which loads into every Node what the compiler does not start with.
  const command = ['-u', 'NODE_OPTIONS', join(root, 'node_modules/.bin/tsc'), '-p', directory]
  const { code, stdout, stderr } = await run('env', command, { cwd: directory })
  if (code !== 0 && stdout === '') throw new Error(`the compiler has ended with ${code}: ${stderr}`)
  // The client's sources are not written for these options; who installs it gets its declarations.
  return stdout
    .split('\n')
    .filter(line => line.startsWith('page.tsx'))
    .join('\n')
}

// Preact renders on a server without asking for what a store was there: its type lacks React's third parameter.
const REACT = `export { StrictMode, useEffect, useReducer } from 'preact/compat'
export function useSyncExternalStore<Snapshot>(
  subscribe: (changed: () => void) => () => void,
  snapshot: () => Snapshot,
  serverSnapshot?: () => Snapshot,
): Snapshot
`
