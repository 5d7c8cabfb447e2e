// The one place that says that the hub is away, or lets nobody see.

import type { ComponentChildren } from 'preact'
import { askForToken } from '../credentials.ts'
import { moment } from '../format.ts'
import { connection } from '../stats-store.ts'
import { useStore } from '../store.ts'
import { Icon } from './icon.tsx'

export function Banner(): ComponentChildren {
  const status = useStore(connection)
  return (
    <div role="alert">
      {status.state === 'away' && (
        <p class="banner">
          <Icon name="alert" />
          <span>
            The hub is away since {moment(status.since, false)}. This page goes on by itself when it is back.
          </span>
        </p>
      )}
      {status.state === 'refused' && (
        <p class="banner">
          <Icon name="key" />
          <span>{status.why}</span>
          <button onClick={() => askForToken(status.why)}>Enter a token</button>
        </p>
      )}
    </div>
  )
}
