// Whether the hub is there, and which version it is.

import type { ComponentChildren } from 'preact'
import { connection, latest } from '../stats-store.ts'
import { useStore } from '../store.ts'

const TEXTS = { connecting: 'Connecting', open: 'Live', away: 'Away', refused: 'No access' } as const

export function StatusChip(): ComponentChildren {
  const { state } = useStore(connection)
  const stats = useStore(latest)
  return (
    <span class={`status is-${state}`} title={stats === undefined ? undefined : `Millrace ${stats.version}`}>
      <i aria-hidden="true" />
      {TEXTS[state]}
      {stats !== undefined && <small>{stats.version}</small>}
    </span>
  )
}
