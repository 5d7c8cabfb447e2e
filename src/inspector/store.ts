// A value that several parts of the page show: whoever shows it is drawn again when it changes.

import { useEffect, useState } from 'preact/hooks'

export class Store<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  set(value: T): void {
    this.#value = value
    for (const listener of this.#listeners) listener()
  }

  /** Returns the function that stops it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, draw] = useState({})
  const { value } = store
  useEffect(() => {
    // It may have changed since it was drawn.
    if (store.value !== value) draw({})
    return store.listen(() => draw({}))
  }, [store])
  return value
}
