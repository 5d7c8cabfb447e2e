// What the tabs that share a stream say to each other.

import type { Notice } from './member.ts'
import { MillraceError, type ErrorFacts } from './millrace-error.ts'
import type { Status } from './options.ts'

/** What is posted of an error: a copy loses what makes it ours. */
export interface PostedError extends ErrorFacts {
  readonly code: string
  readonly detail: string
}

export type PostedStatus = Omit<Status, 'reason'> & { readonly reason?: PostedError }

export type PostedNotice =
  | Exclude<Notice, { readonly to: 'onError' }>
  | { readonly to: 'onError'; readonly value: PostedError }

export type Key = string

export type Message =
  /** To the leader. The key names the tab too. */
  | {
      readonly kind: 'add'
      readonly tab: string
      readonly key: Key
      readonly topics: readonly string[]
      readonly watched: readonly string[]
      readonly after: string | undefined
    }
  | { readonly kind: 'remove'; readonly key: Key }
  /** From the leader, who begins: whoever has members adds them now. */
  | { readonly kind: 'lead'; readonly leader: string }
  | Batch
  | { readonly kind: 'status'; readonly leader: string; readonly status: PostedStatus }

export interface Batch {
  readonly kind: 'batch'
  readonly leader: string
  readonly notices: readonly (readonly [Key, PostedNotice])[]
  /** All that were told that they have joined have got here, but for those. */
  readonly cursor: string | undefined
  readonly except: readonly Key[]
}

export function tabLock(name: string, tab: string): string {
  return `${name} ${tab}`
}

export function posted(notice: Notice): PostedNotice {
  return notice.to === 'onError' ? { to: 'onError', value: postedError(notice.value) } : notice
}

export function received(notice: PostedNotice): Notice {
  return notice.to === 'onError' ? { to: 'onError', value: receivedError(notice.value) } : notice
}

export function postedError({ code, detail, status }: MillraceError): PostedError {
  return { code, detail, status }
}

export function receivedError({ code, detail, status }: PostedError): MillraceError {
  return new MillraceError(code, detail, { status })
}

export class TabChannel {
  readonly #channel: InstanceType<typeof BroadcastChannel>

  constructor(name: string, receive: (message: Message) => void) {
    this.#channel = new BroadcastChannel(name)
    this.#channel.addEventListener('message', event => receive((event as unknown as { data: Message }).data))
  }

  post(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin
    this.#channel.postMessage(message)
  }

  close(): void {
    this.#channel.close()
  }
}
