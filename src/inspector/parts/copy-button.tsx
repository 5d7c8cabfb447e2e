// Copies a text, and says so.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Icon } from './icon.tsx'

const SHOWN_MS = 1500

export function CopyButton({ text, label }: { text: () => string; label: string }): ComponentChildren {
  const [outcome, setOutcome] = useState<'copied' | 'failed'>()
  const copy = async (): Promise<void> => {
    // There is no clipboard for pages that come without TLS.
    const isCopied = await navigator.clipboard?.writeText(text()).then(
      () => true,
      () => false,
    )
    setOutcome(isCopied ? 'copied' : 'failed')
    setTimeout(() => setOutcome(undefined), SHOWN_MS)
  }
  return (
    <button class="quiet small" onClick={() => void copy()}>
      <Icon name={outcome === 'copied' ? 'check' : 'copy'} />
      <span aria-live="polite">
        {outcome === undefined ? label : outcome === 'copied' ? 'Copied' : 'Not allowed'}
      </span>
    </button>
  )
}
