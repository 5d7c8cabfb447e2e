// What a view asks the hub for: once, or again and again while it is seen.

import { useEffect, useState } from 'preact/hooks'
import { token } from './credentials.ts'
import { HubProblem } from './request.ts'
import { recoveries } from './stats-store.ts'
import { useStore } from './store.ts'

export interface Loaded<T> {
  readonly value: T | undefined
  readonly problem: HubProblem | undefined
  /** Asks again, now. */
  readonly reload: () => void
}

/** `deps`: what the answer depends on. `intervalMs`: how often it is asked for; absent: once. */
export function useLoaded<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  intervalMs?: number,
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ value: undefined, problem: undefined })
  const [turn, setTurn] = useState(0)
  const currentToken = useStore(token)
  const recovery = useStore(recoveries)
  useEffect(() => {
    const left = new AbortController()
    let timer: number | undefined
    const ask = async (): Promise<void> => {
      try {
        const value = await load(left.signal)
        if (!left.signal.aborted) setState({ value, problem: undefined })
      } catch (error) {
        // What was there stays to be seen, as it does until the answer comes: the banner tells of a hub that is away.
        if (error instanceof HubProblem && !left.signal.aborted)
          setState(({ value }) => ({ value, problem: error }))
      }
      if (intervalMs !== undefined && !left.signal.aborted) timer = window.setTimeout(askIfSeen, intervalMs)
    }
    const askIfSeen = (): void => {
      if (document.hidden)
        document.addEventListener('visibilitychange', askIfSeen, { once: true, signal: left.signal })
      else void ask()
    }
    void ask()
    return () => {
      left.abort()
      clearTimeout(timer)
    }
  }, [...deps, turn, currentToken, recovery, intervalMs])
  return { ...state, reload: () => setTurn(each => each + 1) }
}
