// Whose grant expires when: one timer for all, in steps.

interface Expiring {
  /** Milliseconds since 1970; Infinity: never. */
  readonly grant: { readonly expiresAt: number }
}

const STEP_MS = 100

export class Expiries<T extends Expiring> {
  /** By the step in which they are to end. */
  readonly #due = new Map<number, Set<T>>()
  readonly #timer: NodeJS.Timeout

  /** `expire` is called two steps before the time, or one: nothing may be sent to whoever has no right to it any more. */
  constructor(expire: (member: T) => void) {
    this.#timer = setInterval(() => {
      const now = Math.floor(Date.now() / STEP_MS)
      for (const [step, members] of this.#due) {
        if (step > now) continue
        this.#due.delete(step)
        members.forEach(expire)
      }
    }, STEP_MS).unref()
  }

  add(member: T): void {
    const step = stepOf(member)
    if (step === Infinity) return
    const members = this.#due.get(step)
    if (members === undefined) this.#due.set(step, new Set([member]))
    else members.add(member)
  }

  remove(member: T): void {
    const step = stepOf(member)
    const members = this.#due.get(step)
    if (members?.delete(member) === true && members.size === 0) this.#due.delete(step)
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

function stepOf({ grant }: Expiring): number {
  return Math.floor(grant.expiresAt / STEP_MS) - 2
}
