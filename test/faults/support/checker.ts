// Judges the journals: what was acknowledged is stored, what is stored was sent, and every subscriber got all of it once
// and in order. Each function returns what is wrong, a line each; nothing when all is well.

import type { PublisherLine } from './publisher.ts'
import type { Stored, StoredLine } from './stored.ts'
import type { SubscriberLine } from './subscriber.ts'

// Of ids, as the documents have them; the checker shares no code with the hub.
const EPOCH_WIDTH = 11
const SEQUENCE_WIDTH = 11

export interface Following {
  readonly name: string
  /** The topics and patterns that it follows. */
  readonly names: readonly string[]
  readonly lines: readonly SubscriberLine[]
}

/** The store against the publisher: nothing missing, nothing invented, nothing twice, each lane in order. */
export function storeFaults(published: readonly PublisherLine[], stored: Stored): string[] {
  const sent = new Map(
    published.flatMap(line => (line.kind === 'sent' ? [[nameOf(line), line] as const] : [])),
  )
  const places = new Map<string, StoredLine>()
  const faults: string[] = []
  for (const event of stored.events) {
    const name = nameOf(event.data)
    const { topic, data } = sent.get(name) ?? {}
    if (places.has(name)) faults.push(`${name} is stored twice: ${places.get(name)!.id}, ${event.id}`)
    if (data === undefined) faults.push(`${name} (${event.id}) is stored, but nobody sent it`)
    else if (topic !== event.topic || !isSame(data, event.data))
      faults.push(`${name} (${event.id}) was altered`)
    places.set(name, event)
  }
  return [
    ...faults,
    ...idFaults(stored.events.map(({ id }) => id)),
    ...answerFaults(published, places),
    ...laneFaults(stored.events),
  ]
}

/** One epoch, and no position left out: a store that lost nothing has them all. */
export function idFaults(ids: readonly string[]): string[] {
  const epoch = ids[0]?.slice(0, EPOCH_WIDTH)
  const bad = ids.findIndex(
    (id, at) => id !== `${epoch}-${(at + 1).toString(36).padStart(SEQUENCE_WIDTH, '0')}`,
  )
  return bad === -1 ? [] : [`${ids[bad]} is where position ${bad + 1} of epoch ${epoch} should be`]
}

function answerFaults(
  published: readonly PublisherLine[],
  places: ReadonlyMap<string, StoredLine>,
): string[] {
  const faults: string[] = []
  for (const line of published) {
    if (line.kind !== 'acknowledged') continue
    for (let seq = line.first; seq <= line.last; seq++) {
      const name = nameOf({ lane: line.lane, seq })
      if (!places.has(name)) faults.push(`${name} was acknowledged (${line.id}) and is missing`)
    }
    const last = places.get(nameOf({ lane: line.lane, seq: line.last }))
    if (line.id !== undefined && last !== undefined && last.id !== line.id) {
      faults.push(`${nameOf(last.data)} was acknowledged as ${line.id} and is stored as ${last.id}`)
    }
  }
  return faults
}

/** What a hub said it did not store is not stored, unless a later answer of the same request says that it is. */
export function refusalFaults(published: readonly PublisherLine[], stored: Stored): string[] {
  const acknowledged = new Set(published.flatMap(line => (line.kind === 'acknowledged' ? namesOf(line) : [])))
  const unsure = new Set(published.flatMap(line => (line.kind === 'unanswered' ? namesOf(line) : [])))
  const refused = new Set(published.flatMap(line => (line.kind === 'refused' ? namesOf(line) : [])))
  return stored.events
    .map(({ data }) => nameOf(data))
    .filter(name => refused.has(name) && !acknowledged.has(name) && !unsure.has(name))
    .map(name => `${name} was refused and is stored`)
}

/** A lane sends one request after the other, so its events are in the order they were sent. */
function laneFaults(events: readonly StoredLine[]): string[] {
  const newest = new Map<number, number>()
  const faults: string[] = []
  for (const { id, data } of events) {
    const before = newest.get(data.lane) ?? -1
    if (data.seq <= before) faults.push(`${nameOf(data)} (${id}) comes after ${before} of its lane`)
    newest.set(data.lane, Math.max(before, data.seq))
  }
  return faults
}

/** A subscriber against the store: all that matches, each once, in order, and no gap, for nothing was lost. */
export function deliveryFaults({ name, names, lines }: Following, stored: Stored): string[] {
  const wanted = stored.events.filter(({ topic }) => names.some(pattern => isMatch(pattern, topic)))
  const faults: string[] = []
  let at = 0
  for (const line of lines) {
    if (line.kind === 'gap') faults.push(`${name} was told of a gap (${line.reason}), and nothing was lost`)
    if (line.kind === 'open') faults.push(...openFaults(name, line))
    if (line.kind !== 'event') continue
    const expected = wanted[at]
    if (expected?.id === line.id) {
      if (!isSame(expected.data, line.data)) faults.push(`${name} got ${line.id} altered`)
      if (line.topic !== undefined && line.topic !== expected.topic)
        faults.push(`${name} got ${line.id} of another topic`)
      at++
      continue
    }
    faults.push(`${name} got ${line.id} where ${expected?.id ?? 'nothing'} was due`)
    at = Math.max(at, wanted.findIndex(({ id }) => id === line.id) + 1)
  }
  if (at < wanted.length)
    faults.push(`${name} lacks ${wanted.length - at} events, the first of them ${wanted[at]!.id}`)
  return faults
}

/** Who comes with an id goes on from there. */
function openFaults(name: string, { id, sentId }: SubscriberLine & { kind: 'open' }): string[] {
  return sentId === undefined || id === sentId ? [] : [`${name} came with ${sentId} and was put at ${id}`]
}

/** Each topic's state is the last one that was stored, and no older than the last that was acknowledged. */
export function stateFaults(
  published: readonly PublisherLine[],
  stored: Stored,
  lanes: readonly number[],
): string[] {
  const last = new Map<string, StoredLine>()
  for (const event of stored.events) if (lanes.includes(event.data.lane)) last.set(event.topic, event)
  const faults = [...last].flatMap(([topic, { id }]) => {
    const state = stored.states.get(topic)
    return state?.id === id ? [] : [`the state of ${topic} is ${state?.id}, and ${id} was stored last`]
  })
  const acknowledged = new Set(published.flatMap(line => (line.kind === 'acknowledged' ? namesOf(line) : [])))
  for (const line of published) {
    if (line.kind !== 'sent' || !lanes.includes(line.lane) || !acknowledged.has(nameOf(line))) continue
    const state = stored.states.get(line.topic)
    if (state === undefined || state.data.seq < line.seq)
      faults.push(`${nameOf(line)} was set, and the state is older`)
  }
  return faults
}

/** Over all that was ever told of ids, by whomever: one id, one event. */
export function reuseFaults(told: readonly { readonly id: string; readonly name: string }[]): string[] {
  const names = new Map<string, string>()
  const faults: string[] = []
  for (const { id, name } of told) {
    const before = names.get(id)
    if (before !== undefined && before !== name) faults.push(`${id} was ${before}, and then ${name}`)
    names.set(id, name)
  }
  return faults
}

export function nameOf({ lane, seq }: { readonly lane: number; readonly seq: number }): string {
  return `${lane}/${seq}`
}

function namesOf({ lane, first, last }: { lane: number; first: number; last: number }): string[] {
  return Array.from({ length: last - first + 1 }, (_, at) => nameOf({ lane, seq: first + at }))
}

/** `*` is a segment, `**` any number of them at the end. */
export function isMatch(pattern: string, topic: string): boolean {
  const [parts, names] = [pattern.split('/'), topic.split('/')]
  if (parts.at(-1) !== '**') parts.push('')
  const isEach = parts
    .slice(0, -1)
    .every((part, at) => names[at] !== undefined && (part === '*' || part === names[at]))
  return isEach && (parts.at(-1) === '**' || names.length === parts.length - 1)
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
