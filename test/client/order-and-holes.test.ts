// Whatever comes and goes, and whatever is cut: each subscription gets the events of its topics once, in order, from where
// it began to where it ended.

import fc from 'fast-check'
import t, { type Test } from 'tap'
import { patternMatcher } from '../../src/topic-pattern.ts'
import type { HubConnection } from '../../src/client/connect.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { holds } from '../support/properties.ts'
import { connectOver, until } from './support.ts'

const TOPICS = ['a/1', 'a/2', 'b/1', 'c']
const NAMES = [...TOPICS, 'a/*', '**', 'b/**']

type Step =
  | {
      readonly kind: 'subscribe'
      readonly names: readonly string[]
      readonly from: 'now' | 'earliest' | number
    }
  | { readonly kind: 'close'; readonly which: number }
  | { readonly kind: 'publish'; readonly topic: string; readonly count: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'pause'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('subscribe' as const),
      names: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }),
      from: fc.oneof(fc.constantFrom('now' as const, 'earliest' as const), fc.nat(20)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('close' as const), which: fc.nat(10) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      topic: fc.constantFrom(...TOPICS),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.nat(15) }) },
)

interface Published {
  readonly id: string
  readonly topic: string
}

/** A subscription, and what it must get. */
class Watched {
  readonly ids: string[] = []
  /** How much had been published when it began, and when all that was before had been handed out. */
  readonly began: number
  ready: number | undefined
  faults: string[] = []
  readonly #matches: (topic: string) => boolean
  readonly #after: string | undefined
  readonly #log: readonly Published[]
  readonly close: () => void

  constructor(
    client: HubConnection,
    names: readonly string[],
    after: string | undefined,
    log: readonly Published[],
  ) {
    const matchers = names.map(patternMatcher)
    this.#matches = topic => matchers.some(matches => matches(topic))
    this.#after = after
    this.#log = log
    this.began = log.length
    const subscription = client.subscribe(names, ({ id }) => this.ids.push(id!), {
      ...(after !== undefined && { after }),
      onReady: () => (this.ready = log.length),
      onGap: gap => this.faults.push(JSON.stringify(gap)),
      onError: error => this.faults.push(error.message),
    })
    this.close = () => subscription.close()
  }

  has(id: string): boolean {
    return this.ids.includes(id)
  }

  wants({ topic }: Published): boolean {
    return this.#matches(topic)
  }

  /** What is wrong; `isWhole`: it must have got everything there is. */
  check(isWhole: boolean): string[] {
    const wanted = this.#log.filter(each => this.wants(each)).map(({ id }) => id)
    const first =
      this.#after === undefined ? this.#firstLive(wanted) : wanted.findIndex(id => this.#isBehind(id))
    const expected = first === -1 ? [] : wanted.slice(first)
    const got = isWhole ? expected : expected.slice(0, this.ids.length)
    return this.ids.join() === got.join()
      ? this.faults
      : [...this.faults, `${this.ids.join()} is not ${got.join()}`]
  }

  #isBehind(id: string): boolean {
    return this.#after === 'earliest' || id > this.#after!
  }

  /** Anywhere between the call and the answer. */
  #firstLive(wanted: readonly string[]): number {
    const at = this.ids.length === 0 ? -1 : wanted.indexOf(this.ids[0]!)
    const latest = this.#log.slice(this.ready ?? this.#log.length).find(each => this.wants(each))
    if (latest !== undefined && (at === -1 || at > wanted.indexOf(latest.id)))
      return wanted.indexOf(latest.id)
    return at
  }
}

t.test('subscriptions that come and go while connections are cut', async t => {
  const hub = await startHub(t, { retryMs: 1, compression: false, heartbeatMs: 100 })
  await holds(
    t,
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), steps => play(t, hub, steps)),
    { numRuns: 25 },
  )
})

async function play(t: Test, hub: TestHub, steps: readonly Step[]): Promise<void> {
  const relay = await CuttingRelay.open(t, hub)
  const { client } = connectOver(t, relay, { lingerMs: 5, silenceMs: 1000 })
  const log: Published[] = []
  // What an earlier run has left.
  for (const topic of TOPICS) await hub.fetch(`/topics/${topic}`, { method: 'DELETE' })
  const publish = async (topic: string): Promise<Published> => {
    const published = { topic, id: await hub.publish(topic, 'x') }
    log.push(published)
    return published
  }
  await publish('c')
  const open: Watched[] = []
  const closed: Watched[] = []
  for (const each of steps) {
    if (each.kind === 'publish') for (let left = each.count; left > 0; left--) await publish(each.topic)
    else if (each.kind === 'cut') relay.cut()
    else if (each.kind === 'pause') await new Promise(resolve => setTimeout(resolve, each.ms))
    else if (each.kind === 'close') closed.push(...open.splice(each.which % (open.length || 1), 1))
    else {
      const { from } = each
      const after = from === 'now' ? undefined : from === 'earliest' ? from : log[from % log.length]!.id
      open.push(new Watched(client, each.names, after, log))
    }
    closed.at(-1)?.close()
  }
  await until(() => open.every(({ ready }) => ready !== undefined))
  const last: Published[] = []
  for (const topic of TOPICS) last.push(await publish(topic))
  await until(() => open.every(watched => last.every(each => !watched.wants(each) || watched.has(each.id))))
  client.close()
  relay.cut()
  const faults = [...open.flatMap(each => each.check(true)), ...closed.flatMap(each => each.check(false))]
  if (faults.length > 0) throw new Error(faults.join('\n'))
}
