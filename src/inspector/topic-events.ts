// The events of one topic as they are shown: the newest first, followed live, and read back a page at a time. What is held is
// bounded: whoever reads far back lets go of the newest, and whoever stays at the top of the oldest.

import { followTopic, historyBefore, type HubEvent } from './hub.ts'
import type { HubProblem } from './request.ts'
import { Store } from './store.ts'

export interface EventRow {
  readonly key: string
  readonly event: HubEvent
}

/** What is said between two events. */
export interface NoteRow {
  readonly key: string
  readonly note: string
}

export type Row = EventRow | NoteRow

export interface TopicEventsState {
  /** The newest first. */
  readonly rows: readonly Row[]
  /** How many have come that are not shown yet. */
  readonly waiting: number
  readonly isLoading: boolean
  /** The oldest event that is kept is shown. */
  readonly isComplete: boolean
  /** The newest are no longer held: only `restart` shows them. */
  readonly isDetached: boolean
  readonly problem: HubProblem | undefined
}

export const PAGE_EVENTS = 50
/** How many are held while new ones come in at the top, and how many for whoever reads back. */
export const MAX_LIVE_ROWS = 200
export const MAX_ROWS = 1000

// Of a busy topic, events are shown a few times a second, all that have come at once.
const SHOW_MS = 150

const RETRY_MS = 1500

const NOTHING: TopicEventsState = {
  rows: [],
  waiting: 0,
  isLoading: true,
  isComplete: false,
  isDetached: false,
  problem: undefined,
}

export class TopicEvents {
  readonly state = new Store<TopicEventsState>(NOTHING)
  readonly #topic: string
  #isHeld = false
  #arrived: Row[] = []
  /** How many have arrived that are not shown, whether they are still held or not. */
  #waiting = 0
  #stopFollowing: (() => void) | undefined
  #timer: number | undefined
  #life = new AbortController()
  /** Where the hub says that the next older page begins; undefined: before the oldest that is shown. */
  #before: string | undefined
  #keys = 0

  constructor(topic: string) {
    this.#topic = topic
    void this.restart()
  }

  /** From the newest on, as at the beginning. */
  async restart(): Promise<void> {
    this.close()
    const life = (this.#life = new AbortController())
    this.#arrived = []
    this.#waiting = 0
    this.state.set(NOTHING)
    try {
      const page = await historyBefore(this.#topic, 'latest', PAGE_EVENTS, life)
      const rows = page.events.map(event => this.#row(event)).toReversed()
      this.#before = page.before
      this.#amend({ rows, isLoading: false, isComplete: page.before === undefined })
      this.#follow(page.cursor)
    } catch (error) {
      if (life.signal.aborted) return
      const problem = error as HubProblem
      this.#amend({ isLoading: false, problem })
      if (isPassing(problem)) this.#timer = window.setTimeout(() => void this.restart(), RETRY_MS)
    }
  }

  /** Held, what comes waits: the rows stay where they are. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (!isHeld) this.#show()
  }

  async loadOlder(): Promise<void> {
    const { isLoading, isComplete, rows } = this.state.value
    const before = this.#before ?? oldestId(rows)
    if (isLoading || isComplete || before === undefined) return
    const { signal } = this.#life
    this.#amend({ isLoading: true })
    try {
      const page = await historyBefore(this.#topic, before, PAGE_EVENTS, { signal })
      const all = [...this.state.value.rows, ...page.events.map(event => this.#row(event)).toReversed()]
      const isTooMany = all.length > MAX_ROWS
      this.#before = page.before
      this.#amend({
        rows: isTooMany ? all.slice(-MAX_ROWS) : all,
        isLoading: false,
        isComplete: page.before === undefined,
        problem: undefined,
        ...(isTooMany && { isDetached: true }),
      })
    } catch (error) {
      if (!signal.aborted) this.#amend({ isLoading: false, problem: error as HubProblem })
    }
  }

  close(): void {
    this.#life.abort()
    this.#stopFollowing?.()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #follow(cursor: string): void {
    this.#stopFollowing = followTopic(this.#topic, cursor, {
      onOpen: () => this.#amend({ problem: undefined }),
      onEvent: event => this.#take(this.#row(event)),
      onGap: ({ reason }) => this.#take(this.#note(GAPS[reason])),
      onReset: () => {
        this.#arrived = []
        this.#amend({
          rows: [this.#note('The topic was deleted: nothing older is kept.')],
          waiting: 0,
          isComplete: true,
        })
      },
      onRefused: problem => this.#amend({ problem }),
    })
  }

  #take(row: Row): void {
    this.#arrived.push(row)
    // Nobody can read more at once.
    if (this.#arrived.length > 2 * MAX_LIVE_ROWS) this.#arrived = this.#arrived.slice(-MAX_LIVE_ROWS)
    this.#waiting++
    this.#timer ??= window.setTimeout(() => {
      this.#timer = undefined
      this.#show()
    }, SHOW_MS)
  }

  #show(): void {
    const { rows, isDetached, isComplete } = this.state.value
    if (this.#isHeld || isDetached) return this.#amend({ waiting: this.#waiting })
    if (this.#arrived.length === 0) return
    const all = [...this.#arrived.toReversed(), ...rows]
    this.#arrived = []
    this.#waiting = 0
    const isCut = all.length > MAX_LIVE_ROWS
    // What was let go of can be read again.
    if (isCut) this.#before = undefined
    this.#amend({
      rows: isCut ? all.slice(0, MAX_LIVE_ROWS) : all,
      waiting: 0,
      isComplete: isComplete && !isCut,
    })
  }

  #amend(change: Partial<TopicEventsState>): void {
    this.state.set({ ...this.state.value, ...change })
  }

  #row(event: HubEvent): Row {
    return { key: event.id ?? this.#newKey(), event }
  }

  #note(note: string): Row {
    return { key: this.#newKey(), note }
  }

  #newKey(): string {
    return `own ${this.#keys++}`
  }
}

/** Waiting may mend it. */
function isPassing({ status }: HubProblem): boolean {
  return status === 0 || status === 429 || status >= 500
}

function oldestId(rows: readonly Row[]): string | undefined {
  return rows.flatMap(row => ('event' in row ? (row.event.id ?? []) : [])).at(-1)
}

const GAPS = {
  expired: 'Events between these two have left the log before they were read.',
  unknown: 'The hub has a new log: what was before this is gone from it.',
} as const
