// Clients of a test's hub in Node, and what their handlers were given.

import type { Test } from 'tap'
import { Agent, fetch as undiciFetch, type Dispatcher } from 'undici'
import { connect, type HubConnection } from '../../src/client/connect.ts'
import type { MillraceError } from '../../src/client/millrace-error.ts'
import type { ConnectOptions, Gap, HubEvent, Status, SubscribeOptions } from '../../src/client/options.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import type { CuttingRelay } from '../support/cutting-relay.ts'
import type { Reachable } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'

export interface TestClient {
  readonly client: HubConnection
  readonly statuses: Status[]
}

/** `fetch` over what the agent speaks. */
export function fetchOver(agent: Dispatcher): typeof fetch {
  return ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher: agent })) as never
}

/** Closed when the test ends. */
export function connectTo(
  t: Test,
  hub: { readonly url: string; readonly agent: Dispatcher },
  options: ConnectOptions = {},
): TestClient {
  const statuses: Status[] = []
  const onStatus = (status: Status): void => void statuses.push(status)
  const client = connect(hub.url, { fetch: fetchOver(hub.agent), onStatus, ...options })
  t.teardown(() => client.close())
  return { client, statuses }
}

/**
 * Over connections that are cut, and by HTTP/1.1, as Node's own `fetch`: undici 8 stays with an HTTP/2 connection that was cut
 * while it was opened, and hears nothing any more. Closed when the test ends.
 */
export function connectOver(
  t: Test,
  { url, hub }: CuttingRelay<{ readonly url: string; readonly ca: string }>,
  options: ConnectOptions = {},
): TestClient {
  const agent = new Agent({ connect: { ca: hub.ca }, allowH2: false })
  t.teardown(() => agent.destroy())
  return connectTo(t, { url, agent }, options)
}

/** What one subscription was given. */
export class Received {
  readonly events = new Inbox<HubEvent>()
  readonly gaps: Gap[] = []
  readonly resets: string[] = []
  readonly errors = new Inbox<MillraceError>()
  readonly ready: Promise<void>
  readonly subscription: Subscription

  constructor(client: HubConnection, topics: string | readonly string[], options: SubscribeOptions = {}) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ready = promise
    this.subscription = client.subscribe(topics, event => this.events.push(event), {
      onGap: gap => this.gaps.push(gap),
      onReset: ({ topic }) => this.resets.push(topic),
      onReady: resolve,
      onError: error => this.errors.push(error),
      ...options,
    })
  }

  get data(): unknown[] {
    return this.events.items.map(({ data }) => data)
  }

  async take(count: number): Promise<unknown[]> {
    return (await this.events.take(count)).map(({ data }) => data)
  }
}

/** Resolves when it is true; rejects after ten seconds. */
export async function until(isTrue: () => boolean): Promise<void> {
  for (let patience = 2000; patience > 0; patience--) {
    if (isTrue()) return
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error('it did not happen')
}

export const numbers = (from: number, through: number): string[] =>
  Array.from({ length: through - from + 1 }, (_, at) => String(from + at))

export async function publishAll(
  hub: Reachable,
  topics: readonly string[],
  data: readonly string[],
): Promise<void> {
  for (const each of data) for (const topic of topics) await hub.publish(topic, each)
}

/** The states that a page shows somebody, but for the first connection. */
export function banners({ statuses }: TestClient): string[] {
  return statuses.map(({ state }) => state).filter(state => state === 'waiting' || state === 'offline')
}
