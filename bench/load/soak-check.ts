// What a reader that comes and goes may receive: each topic's numbers one after the other, across all of its
// connections, without a repeat; a hole only after the hub has said that there is one.

import { parseId } from '../../src/protocol/ids.ts'

export interface ReceivedEvent {
  readonly id?: string | undefined
  readonly event?: string | undefined
  readonly data: string
}

export class SoakCheck {
  received = 0
  gaps = 0
  /** The first few, in words. */
  readonly faults: string[] = []
  faultCount = 0
  /** To resume from; undefined before the first id. */
  lastEventId: string | undefined
  /** Undefined on a feed, whose events name theirs. */
  readonly #topic: string | undefined
  readonly #numbers = new Map<string, number>()
  #position = 0

  constructor(topic: string | undefined) {
    this.#topic = topic
  }

  take({ id, event, data }: ReceivedEvent): void {
    // States have none: they are handed over again to whoever comes anew.
    if (id === undefined) return
    if (event?.startsWith('millrace:') === true) return this.#takeControl(event, id)
    this.received++
    this.#advance(id, 1)
    const { topic, number } = this.#read(data)
    const last = this.#numbers.get(topic)
    if (last !== undefined && number !== last + 1) this.#fault(`${topic}: ${number} after ${last}`)
    this.#numbers.set(topic, number)
  }

  #takeControl(event: string, id: string): void {
    // Where a stream starts, or goes on after a gap: the same place, or further on.
    this.#advance(id, 0)
    if (event !== 'millrace:gap') return
    this.gaps++
    this.#numbers.clear()
  }

  #advance(id: string, least: number): void {
    const position = parseId(id)?.position ?? Number.NaN
    if (!(position >= this.#position + least)) this.#fault(`id ${id} at or before ${this.lastEventId}`)
    this.#position = position
    this.lastEventId = id
  }

  #read(data: string): { topic: string; number: number } {
    if (this.#topic !== undefined) return { topic: this.#topic, number: parseInt(data, 10) }
    const envelope = JSON.parse(data) as { topic: string; data: string }
    return { topic: envelope.topic, number: parseInt(envelope.data, 10) }
  }

  #fault(what: string): void {
    this.faultCount++
    if (this.faults.length < 5) this.faults.push(what)
  }
}
