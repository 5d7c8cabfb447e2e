// Where the page is, as the hash of its address: what is reloaded or gone back to is the same again.

import { Store } from './store.ts'

export type ViewName = 'overview' | 'topics' | 'topic' | 'publish' | 'connections' | 'token'

export interface Place {
  readonly view: ViewName
  /** Of the view `topic`. */
  readonly topic: string
  readonly query: Readonly<Record<string, string>>
}

const NAMES: readonly string[] = ['topics', 'publish', 'connections', 'token'] satisfies ViewName[]

export const place = new Store(read())

addEventListener('hashchange', () => place.set(read()))

/** The address of a view. */
export function hrefOf(
  view: Exclude<ViewName, 'topic'>,
  query: Readonly<Record<string, string>> = {},
): string {
  return `#/${view === 'overview' ? '' : view}${queryText(query)}`
}

export function topicHref(topic: string, query: Readonly<Record<string, string>> = {}): string {
  return `#/topics/${topic.split('/').map(encodeURIComponent).join('/')}${queryText(query)}`
}

/** Changes what the address says of this view, without a step to go back to. */
export function amendQuery(query: Readonly<Record<string, string>>): void {
  const [path] = location.hash.split('?')
  history.replaceState(null, '', `${path === '' ? '#/' : path}${queryText(query)}`)
  place.set(read())
}

export function goTo(href: string): void {
  location.hash = href.slice(1)
}

function queryText(query: Readonly<Record<string, string>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== '')
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
}

function read(): Place {
  const [path = '', search = ''] = location.hash.slice(1).split('?')
  const query = Object.fromEntries(new URLSearchParams(search))
  const [, first = '', ...rest] = path.split('/')
  if (first === 'topics' && rest.length > 0) {
    return { view: 'topic', topic: rest.map(decoded).join('/'), query }
  }
  return { view: NAMES.includes(first) ? (first as ViewName) : 'overview', topic: '', query }
}

/** Whoever types an address may not encode it. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
