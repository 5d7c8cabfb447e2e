// One room's messages: the newest when it is joined, older ones as you scroll up, new ones as they come, and your own at
// once, before the hub has them.

const PAGE = 40

export class Room {
  unread = 0
  #hub
  #options
  #list = document.createElement('ol')
  #subscription
  #isShown = false
  /** Where older messages end; undefined: there are none. */
  #before
  #isLoading = false
  /** What has arrived, and what has not. */
  #arrived = new Set()
  #pending = new Map()
  #closing = new AbortController()

  constructor(hub, name, options) {
    this.#hub = hub
    this.#options = options
    this.name = name
    this.topic = `rooms/${name}`
  }

  /** What was said before, and from exactly there on what is said now. */
  async open() {
    const { events, before, cursor } = await this.#page('latest')
    if (this.#closing.signal.aborted) return
    this.#before = before
    this.#list.replaceChildren(...events.map(event => this.#arrive(event)), ...this.#pending.values())
    this.#arrange()
    this.#subscription = this.#hub.subscribe(this.topic, event => this.#add(event), {
      after: cursor,
      signal: this.#closing.signal,
      // What is gone from the hub cannot be missing in the middle: begin anew.
      onGap: () => this.#reopen(),
      onError: ({ status }) => (status === 401 ? this.#options.onRefused() : undefined),
    })
  }

  close() {
    this.#closing.abort()
    this.hide()
  }

  show() {
    const { scroller } = this.#options
    this.#isShown = true
    this.unread = 0
    scroller.replaceChildren(this.#list)
    scroller.onscroll = () => this.#scrolled()
    scroller.scrollTop = 0
  }

  hide() {
    this.#isShown = false
  }

  showPending(key, text) {
    if (this.#arrived.has(key)) return
    const item = messageItem({ name: this.#options.me, text }, new Date(), true)
    item.classList.add('is-pending')
    this.#pending.set(key, item)
    this.#list.append(item)
    this.#arrange()
    // The style sheet counts from the end, and stays there.
    if (this.#isShown) this.#options.scroller.scrollTop = 0
  }

  showRefused(key, fault) {
    const item = this.#pending.get(key)
    item?.classList.add('is-refused')
    item?.append(withText('small', `Not sent. ${fault}`))
  }

  #add(event) {
    const item = this.#arrive(event)
    // Those that have not arrived stay last: they will come after this one.
    const [firstPending] = this.#pending.values()
    this.#list.insertBefore(item, firstPending ?? null)
    if (!this.#isShown || document.hidden) {
      this.unread++
      this.#options.onUnread()
    }
    this.#arrange()
  }

  #arrive({ data: { name, text: said, key }, time }) {
    this.#arrived.add(key)
    this.#pending.get(key)?.remove()
    this.#pending.delete(key)
    return messageItem({ name, text: said }, new Date(time), name === this.#options.me)
  }

  async #loadOlder() {
    this.#isLoading = true
    const { events, before } = await this.#page(this.#before)
    this.#before = before
    this.#list.prepend(...events.map(event => this.#arrive(event)))
    this.#arrange()
    this.#isLoading = false
  }

  #reopen() {
    this.#subscription.close()
    void this.open()
  }

  /** Asks until it is answered. */
  async #page(before) {
    for (;;) {
      try {
        return await this.#hub.history(this.topic, { before, limit: PAGE, signal: this.#closing.signal })
      } catch (error) {
        if (this.#closing.signal.aborted) return { events: [] }
        if (error.status === 401) this.#options.onRefused()
        await new Promise(resolve => setTimeout(resolve, 1000))
      }
    }
  }

  #scrolled() {
    const { scroller } = this.#options
    const above = scroller.scrollHeight - scroller.clientHeight + scroller.scrollTop
    if (above < 200 && !this.#isLoading && this.#before !== undefined) void this.#loadOlder()
  }

  /** Names stand once above what someone says in a row. */
  #arrange() {
    let last
    for (const item of this.#list.children) {
      item.classList.toggle('is-more', item.dataset.name === last)
      last = item.dataset.name
    }
  }
}

/** As text alone: whatever somebody writes, it is no markup. */
function messageItem({ name, text: said }, time, isMine) {
  const item = document.createElement('li')
  item.dataset.name = name
  item.classList.toggle('is-mine', isMine)
  const clock = withText('time', clockText(time))
  clock.dateTime = time.toISOString()
  item.append(withText('b', name), withText('p', said), clock)
  return item
}

function clockText(time) {
  const isToday = time.toDateString() === new Date().toDateString()
  return time.toLocaleString([], {
    ...(!isToday && { weekday: 'short', day: 'numeric', month: 'short' }),
    hour: 'numeric',
    minute: '2-digit',
  })
}

function withText(tag, textContent) {
  return Object.assign(document.createElement(tag), { textContent })
}
