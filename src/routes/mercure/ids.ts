// The ids of updates. What the hub gives is a UUID of version 8 (RFC 9562, section 5.8) made of the log's epoch and the
// position, so it can be read back without a table. What publishers chose is looked up in a map.

import type { Position, StoredEvent } from '../../event.ts'
import type { Hub } from '../../hub/hub.ts'
import { selectorOf } from '../../topic-pattern.ts'
import { UPDATES } from './paths.ts'
import { updateOf } from './update.ts'

/** Makes ids of positions, and positions of ids. */
export class HubIds {
  readonly #prefix: string

  constructor(epoch: string) {
    const bits = Array.from(epoch).reduce((sum, digit) => sum * 36n + BigInt(parseInt(digit, 36)), 0n)
    // 57 bits: 48 before the version, and 9 of the 12 behind it.
    const high = (bits >> 9n).toString(16).padStart(12, '0')
    const low = ((bits & 0x1ffn) << 3n).toString(16).padStart(3, '0')
    this.#prefix = `urn:uuid:${high.slice(0, 8)}-${high.slice(8)}-8${low}-80`
  }

  format(position: Position): string {
    const digits = position.toString(16).padStart(14, '0')
    return `${this.#prefix}${digits.slice(0, 2)}-${digits.slice(2)}`
  }

  /** Undefined: it is none of this log's. */
  parse(id: string): Position | undefined {
    if (!id.startsWith(this.#prefix) || !/^[0-9a-f]{2}-[0-9a-f]{12}$/.test(id.slice(this.#prefix.length))) {
      return undefined
    }
    return parseInt(id.slice(this.#prefix.length).replace('-', ''), 16)
  }

  /** The id that subscribers get with this event. */
  of(event: StoredEvent): string {
    return updateOf(event).id ?? this.format(event.position)
  }
}

const HISTORY = selectorOf([UPDATES])

// After so many new ids the map lets go of those whose updates have left the log.
const TIDY_AFTER = 4096

const PAGE_EVENTS = 1000
const PAGE_BYTES = 256 * 1024

/** Where the updates stand whose publishers chose their ids. */
export class ChosenIds {
  readonly #hub: Hub
  /** The oldest positions come first, in the lists too: an id can be used again. */
  readonly #positions = new Map<string, Position[]>()
  /** Updates that are delivered while the history is read: they come behind it. */
  #newer: StoredEvent[] = []
  #loaded: Promise<void> | undefined
  #isLoaded = false
  #added = 0

  constructor(hub: Hub) {
    this.#hub = hub
  }

  /** An event is being delivered. */
  note(event: StoredEvent): void {
    // Until somebody asks there is no map: the history makes it then.
    if (this.#isLoaded) this.#add(event)
    else if (this.#loaded !== undefined) this.#newer.push(event)
  }

  /** Where the updates stand that have this id and are kept, the oldest first; some that are gone may be among them. */
  async positionsOf(id: string): Promise<readonly Position[]> {
    await (this.#loaded ??= this.#load())
    return this.#positions.get(id) ?? this.#undeliveredPositionsOf(id)
  }

  /** Whoever published knows an update before it is delivered here, and so does who was given it by another thread. */
  async #undeliveredPositionsOf(id: string): Promise<readonly Position[]> {
    const { log, position } = this.#hub
    const positions: Position[] = []
    for await (const event of this.#history(position, log.head())) {
      if (updateOf(event).id === id) positions.push(event.position)
    }
    return positions
  }

  async #load(): Promise<void> {
    try {
      for await (const event of this.#history(0, this.#hub.position)) this.#add(event)
      for (const event of this.#newer) this.#add(event)
      this.#isLoaded = true
    } catch (error) {
      // The next one who asks tries again.
      this.#loaded = undefined
      this.#positions.clear()
      throw error
    } finally {
      this.#newer = []
    }
  }

  async *#history(after: Position, through: Position): AsyncGenerator<StoredEvent, void> {
    while (after < through) {
      const limit = { through, maxEvents: PAGE_EVENTS, maxBytes: PAGE_BYTES }
      const page = await this.#hub.log.read(after, HISTORY, limit)
      yield* page.events
      after = page.position
    }
  }

  #add(event: StoredEvent): void {
    const { id } = updateOf(event)
    if (id === undefined) return
    const known = this.#positions.get(id)
    if (known === undefined) this.#positions.set(id, [event.position])
    else known.push(event.position)
    if (++this.#added % TIDY_AFTER === 0) void this.#tidy()
  }

  async #tidy(): Promise<void> {
    const lost = await this.#hub.log.lostThrough(HISTORY).catch(() => 0)
    for (const [id, positions] of this.#positions) {
      if (positions[0]! >= lost) break
      this.#positions.delete(id)
      const kept = positions.filter(position => position >= lost)
      if (kept.length > 0) this.#positions.set(id, kept)
    }
  }
}
