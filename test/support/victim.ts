// A hub in a process of its own, to be attacked, and what must hold after each attack: it serves others at once, and
// whatever the attacker made it hold is free again.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Agent } from 'undici'
import { EventReader } from './event-reader.ts'
import { reach, type Reachable } from './hub.ts'
import { startHubProcess } from './hub-process.ts'
import { metric, metricIs } from './metrics.ts'

export interface Victim extends Reachable {
  /** Collects its garbage. */
  collect(): void
  /** Its log so far: an object a line. */
  readonly logged: string[]
}

const collector = new URL('./collect-garbage.ts', import.meta.url)

export async function startVictim(t: Test, flags: readonly string[] = []): Promise<Victim> {
  const NODE_OPTIONS = `--expose-gc --import=${collector.href}`
  const hub = await startHubProcess(t, ['--log-level=warn', ...flags], { ...process.env, NODE_OPTIONS })
  const logged: string[] = []
  hub.child.stdout!.on('data', chunk => logged.push(...String(chunk).trim().split('\n')))
  const ca = readFileSync(hub.caFile, 'utf8')
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(() => agent.destroy())
  const victim = { ...reach(hub.url, ca, agent), collect: () => hub.child.kill('SIGUSR2'), logged }
  // What is loaded at the first use is no leak.
  await servesOthers(victim)
  await metricIs(victim, 'millrace_streams', 0)
  await metricIs(victim, 'millrace_connections', 1)
  return victim
}

// A fresh client's handshake, publish and delivery; on a busy machine it takes tens of milliseconds.
const AT_ONCE_MS = 2000

// What a hub keeps that was attacked: code that was compiled, grown tables.
const KEPT_BYTES = 4_000_000

// Memory that V8 and the allocator hold in reserve does not come back; it must not grow beyond this.
const RESERVED_BYTES = 256_000_000

/** Runs the attack; then the hub must be as it was before. */
export async function survives(t: Test, hub: Victim, attack: () => Promise<unknown>): Promise<void> {
  const [connections, streams] = await Promise.all(GAUGES.map(name => metric(hub, name)))
  const before = await memoryOf(hub)
  await attack()
  const tookMs = await servesOthers(hub)
  t.ok(tookMs < AT_ONCE_MS, `another client is served within ${Math.round(tookMs)} ms`)
  await metricIs(hub, GAUGES[0], connections!)
  await metricIs(hub, GAUGES[1], streams!)
  const after = await memoryOf(hub, before.used + KEPT_BYTES)
  t.ok(after.used < before.used + KEPT_BYTES, `memory is back: ${before.used} before, ${after.used} after`)
  t.ok(after.resident < before.resident + RESERVED_BYTES, `${after.resident - before.resident} more reserved`)
}

const GAUGES = ['millrace_connections', 'millrace_streams'] as const

/** How long a new client takes to publish an event and to receive it, in milliseconds. */
export async function servesOthers(hub: Reachable): Promise<number> {
  const startedAt = performance.now()
  const agent = new Agent({ connect: { ca: hub.ca }, allowH2: true })
  const client = reach(hub.url, hub.ca, agent)
  const reader = await EventReader.open(client, '/topics/others')
  await reader.next()
  await client.publish('others', 'hello')
  const event = await reader.next()
  if (event?.data !== 'hello') throw new Error(`it got ${JSON.stringify(event)}`)
  const tookMs = performance.now() - startedAt
  reader.close()
  await agent.destroy()
  return tookMs
}

/** What is in use once all garbage is collected; waits a while for it to be no more than `wanted`. */
async function memoryOf(hub: Victim, wanted = Infinity): Promise<{ used: number; resident: number }> {
  let used = Infinity
  for (let attempt = 0; attempt < 20; attempt++) {
    hub.collect()
    await sleep(20 * attempt)
    const heap = await metric(hub, 'nodejs_heap_size_used_bytes')
    used = Math.min(used, heap + (await metric(hub, 'nodejs_external_memory_bytes')))
    // Not the first: the signal is handled when it comes.
    if (attempt > 1 && used < wanted) break
  }
  return { used, resident: await metric(hub, 'process_resident_memory_bytes') }
}
