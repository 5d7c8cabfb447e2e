// A grant: what its holder may publish and receive, as topic patterns.

import { MillraceError } from '../errors.ts'
import type { Topic } from '../event.ts'
import { patternCovers, selectorOf, type Selector, type TopicPattern } from '../topic-pattern.ts'

export class Grant {
  readonly #publish: readonly TopicPattern[]
  readonly #receive: readonly TopicPattern[]

  constructor(patterns: { publish: readonly TopicPattern[]; receive: readonly TopicPattern[] }) {
    this.#publish = patterns.publish
    this.#receive = patterns.receive
  }

  canPublish(topic: Topic): boolean {
    return this.#publish.some(granted => patternCovers(granted, topic))
  }

  /** Whether everything that the topic or pattern can match is granted. */
  canReceive(wanted: Topic | TopicPattern): boolean {
    return this.#receive.some(granted => patternCovers(granted, wanted))
  }

  /** All topics that may be received. */
  get receivable(): Selector {
    return selectorOf(this.#receive)
  }

  /** Throws MILLRACE_FORBIDDEN. */
  requirePublish(topic: Topic): void {
    if (!this.canPublish(topic)) {
      throw new MillraceError('MILLRACE_FORBIDDEN', `You may not publish to '${topic}'.`)
    }
  }

  /** Throws MILLRACE_FORBIDDEN. */
  requireReceive(wanted: Topic | TopicPattern): void {
    if (!this.canReceive(wanted)) {
      throw new MillraceError('MILLRACE_FORBIDDEN', `You may not receive '${wanted}'.`)
    }
  }
}
