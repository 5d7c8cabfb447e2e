// The operator's token: kept for as long as the tab, and asked for when the hub wants one.

import { Store } from './store.ts'

const KEY = 'millrace-token'

export const token = new Store<string>(sessionStorage.getItem(KEY) ?? '')

/** Why a token is asked for; undefined: it is not. */
export const tokenWanted = new Store<string | undefined>(undefined)

export function useToken(given: string): void {
  if (given === '') sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, given)
  tokenWanted.set(undefined)
  token.set(given)
}

export function askForToken(why: string): void {
  if (tokenWanted.value === undefined) tokenWanted.set(why)
}

export function authorization(): Record<string, string> {
  return token.value === '' ? {} : { authorization: `Bearer ${token.value}` }
}
