// A page of Chromium that can be frozen. Those that Playwright opens cannot: it has them believe that they have the focus.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, CDPSession } from 'playwright-core'

interface Answer {
  readonly id: number
  readonly result?: { readonly result?: { readonly value?: unknown }; readonly exceptionDetails?: unknown }
  readonly error?: unknown
}

export class FreezablePage {
  readonly #session: CDPSession
  readonly #sessionId: string
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #sent = 0

  /** Resolves when the page has set `isLoaded`. It ends with the browser, in whose first context it is. */
  static async open(browser: Browser, url: string): Promise<FreezablePage> {
    const session = await browser.newBrowserCDPSession()
    const { targetId } = await session.send('Target.createTarget', { url })
    const { sessionId } = await session.send('Target.attachToTarget', { targetId })
    const page = new FreezablePage(session, sessionId)
    while (!(await page.evaluate<boolean>('globalThis.isLoaded === true'))) await sleep(10)
    return page
  }

  private constructor(session: CDPSession, sessionId: string) {
    this.#session = session
    this.#sessionId = sessionId
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const answer = JSON.parse(message) as Answer
      this.#waiting.get(answer.id)?.(answer)
    })
  }

  /** The value of a script, or of what it promises. */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true }
    const { result, error } = await this.#send('Runtime.evaluate', options)
    const fault = error ?? result?.exceptionDetails
    if (fault !== undefined) throw new Error(JSON.stringify(fault))
    return result?.result?.value as T
  }

  /** Nothing in the page runs until it is thawed, and nothing can be asked of it. */
  async freeze(): Promise<void> {
    await this.#send('Page.setWebLifecycleState', { state: 'frozen' })
  }

  async thaw(): Promise<void> {
    await this.#send('Page.setWebLifecycleState', { state: 'active' })
  }

  async #send(method: string, params: object): Promise<Answer> {
    const id = ++this.#sent
    const { promise, resolve } = Promise.withResolvers<Answer>()
    this.#waiting.set(id, resolve)
    const message = JSON.stringify({ id, method, params })
    await this.#session.send('Target.sendMessageToTarget', { sessionId: this.#sessionId, message })
    return promise.finally(() => this.#waiting.delete(id))
  }
}
