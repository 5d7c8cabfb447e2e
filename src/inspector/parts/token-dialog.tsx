// Asks for the operator's token when the hub wants one.

import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { token, tokenWanted, useToken } from '../credentials.ts'
import { useStore } from '../store.ts'

export function TokenDialog(): ComponentChildren {
  const why = useStore(tokenWanted)
  const dialog = useRef<HTMLDialogElement>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => {
    if (why !== undefined) dialog.current?.showModal()
  }, [why])
  if (why === undefined) return null
  const use = (event: Event): void => {
    event.preventDefault()
    useToken(field.current!.value.trim().replace(/^bearer +/i, ''))
  }
  return (
    <dialog ref={dialog} aria-labelledby="token-title" onClose={() => tokenWanted.set(undefined)}>
      <form onSubmit={use}>
        <h2 id="token-title">This hub wants a token</h2>
        <p>{why}</p>
        <label>
          Token with an admin grant
          <textarea
            ref={field}
            rows={4}
            class="code"
            spellcheck={false}
            autocomplete="off"
            required
            defaultValue={token.value}
          />
        </label>
        <p class="hint">
          <code>millrace token mint --admin --publish '**' --receive '**'</code> makes one. It is kept until
          this tab is closed.
        </p>
        <div class="actions">
          {token.value !== '' && (
            <button type="button" onClick={() => useToken('')}>
              Forget it
            </button>
          )}
          <button type="button" onClick={() => tokenWanted.set(undefined)}>
            Cancel
          </button>
          <button class="primary">Use this token</button>
        </div>
      </form>
    </dialog>
  )
}
