// Whose grant expires when: one timer for all, by the second.

interface Expiring {
  /** Milliseconds since 1970; Infinity: never. */
  readonly grant: { readonly expiresAt: number }
}

export class Expiries<T extends Expiring> {
  /** By the second after which they are over. */
  readonly #due = new Map<number, Set<T>>()
  readonly #timer: NodeJS.Timeout

  /** `expire` is called within two seconds of the time. */
  constructor(expire: (member: T) => void) {
    this.#timer = setInterval(() => {
      const now = Math.floor(Date.now() / 1000)
      for (const [second, members] of this.#due) {
        if (second > now) continue
        this.#due.delete(second)
        members.forEach(expire)
      }
    }, 1000).unref()
  }

  add(member: T): void {
    const second = secondOf(member)
    if (second === Infinity) return
    const members = this.#due.get(second)
    if (members === undefined) this.#due.set(second, new Set([member]))
    else members.add(member)
  }

  remove(member: T): void {
    const second = secondOf(member)
    const members = this.#due.get(second)
    if (members?.delete(member) === true && members.size === 0) this.#due.delete(second)
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

function secondOf({ grant }: Expiring): number {
  return Math.ceil(grant.expiresAt / 1000)
}
