// What was written and is not known to have arrived. It outlives a reload: what is sent again goes under the same key, and
// the hub keeps it once.

const PLACE = 'chat.outbox'

export class Outbox {
  #hub
  /** Messages by their keys. */
  waiting = new Map(JSON.parse(sessionStorage.getItem(PLACE) ?? '[]'))

  constructor(hub) {
    this.#hub = hub
  }

  add(message) {
    const key = crypto.randomUUID()
    this.waiting.set(key, message)
    this.#keep()
    return key
  }

  /** Resolves when the hub has it, however long that takes, or with why it will not. */
  async send(key) {
    const { room, text } = this.waiting.get(key)
    try {
      await this.#hub.publish(`rooms/${room}`, { text }, { key })
      return undefined
    } catch (error) {
      return error.message
    } finally {
      this.waiting.delete(key)
      this.#keep()
    }
  }

  #keep() {
    sessionStorage.setItem(PLACE, JSON.stringify([...this.waiting]))
  }
}
