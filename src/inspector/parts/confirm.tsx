// Asks before something is done that cannot be undone.

import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { Store, useStore } from '../store.ts'

interface Question {
  readonly title: string
  readonly text: string
  /** What the button says that does it. */
  readonly action: string
  readonly answer: (isYes: boolean) => void
}

const question = new Store<Question | undefined>(undefined)

/** Resolves with what was answered. */
export function confirmed(asked: Omit<Question, 'answer'>): Promise<boolean> {
  return new Promise(resolve => {
    question.set({
      ...asked,
      answer(isYes) {
        question.set(undefined)
        resolve(isYes)
      },
    })
  })
}

export function ConfirmDialog(): ComponentChildren {
  const asked = useStore(question)
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    if (asked !== undefined) dialog.current?.showModal()
  }, [asked])
  if (asked === undefined) return null
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={() => asked.answer(false)}>
      <h2 id="confirm-title">{asked.title}</h2>
      <p>{asked.text}</p>
      <div class="actions">
        <button onClick={() => asked.answer(false)}>Cancel</button>
        <button class="danger" onClick={() => asked.answer(true)}>
          {asked.action}
        </button>
      </div>
    </dialog>
  )
}
