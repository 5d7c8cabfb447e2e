// Where a subscriber stands, by a word and a shape beside the colour.

import type { ComponentChildren } from 'preact'
import type { StreamInfo } from '../../protocol/inspector.ts'
import { compact } from '../format.ts'

const TEXTS: Readonly<Record<StreamInfo['phase'], string>> = {
  live: 'Live',
  'catching-up': 'Catching up',
  behind: 'Behind',
}

export function PhaseMark({ phase, lag }: Pick<StreamInfo, 'phase' | 'lag'>): ComponentChildren {
  return (
    <span class={`phase is-${phase}`}>
      <i aria-hidden="true" />
      {TEXTS[phase]}
      {lag > 0 && ` by ${compact(lag)}`}
    </span>
  )
}
