// Options that the plugin does not take, and what it says of them.

import fastify from 'fastify'
import t from 'tap'
import millrace, { type MillraceOptions } from '../../src/index.ts'
import { OPEN } from '../support/embedded.ts'

const FAULTS: readonly [what: string, options: object, says: RegExp][] = [
  [
    'nothing that says who may use it',
    { prefix: '/push' },
    /nothing says who may use the hub.*authorize.*anonymousReceive/,
  ],
  ['a key that is not set', { prefix: '/push', jwtKey: undefined }, /nothing says who may use the hub/],
  ['no prefix', OPEN, /'prefix' is missing.*'\/push'/],
  ['a prefix that is no path', { ...OPEN, prefix: 'push/' }, /'prefix' is "push\/"/],
  ['a prefix with parameters', { ...OPEN, prefix: '/:tenant' }, /'prefix' is "\/:tenant"/],
  ['the root as a prefix', { ...OPEN, prefix: '/' }, /'prefix' is "\/"/],
  [
    'a misspelt option',
    { ...OPEN, prefix: '/push', heartbeatsMs: 1 },
    /no option 'heartbeatsMs': did you mean 'heartbeatMs'\?/,
  ],
  [
    'an option of the server',
    { ...OPEN, prefix: '/push', port: 1 },
    /'port' is for a hub with a server of its own/,
  ],
  [
    'a value of the wrong type',
    { ...OPEN, prefix: '/push', heartbeatMs: '1' },
    /option 'heartbeatMs' is "1", but it takes an integer/,
  ],
  [
    'a log that is none',
    { ...OPEN, prefix: '/push', log: 'disk' },
    /^log is "disk", but a log is sqlite:DIR/,
  ],
  ['a key that is no key', { prefix: '/push', jwtKey: 'short' }, /a secret has at least 32 bytes/],
  [
    'authorize that is no function',
    { ...OPEN, prefix: '/push', authorize: 'all' },
    /'authorize' takes a function/,
  ],
]

for (const [what, options, says] of FAULTS) {
  t.test(`the plugin refuses ${what}`, async t => {
    const app = fastify()
    t.teardown(() => app.close())
    const register = async (): Promise<unknown> =>
      app.register(millrace, { log: 'memory:', ...options } as MillraceOptions)
    await t.rejects(register, { code: 'MILLRACE_CONFIG_INVALID', message: says })
  })
}

t.test('a second hub in the same scope is refused', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(millrace, { prefix: '/one', log: 'memory:', ...OPEN })
  await t.rejects(async () => app.register(millrace, { prefix: '/two', log: 'memory:', ...OPEN }), {
    code: 'MILLRACE_CONFIG_INVALID',
    message: /'app.hub' already.*scope of its own/,
  })
})
