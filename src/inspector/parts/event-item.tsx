// One event of a topic. Drawn once: an event does not change.

import { Component, type ComponentChildren } from 'preact'
import { moment } from '../format.ts'
import { curlOf, type HubEvent } from '../hub.ts'
import { CopyButton } from './copy-button.tsx'
import { DataText } from './data-text.tsx'

export class EventItem extends Component<{ event: HubEvent }> {
  override shouldComponentUpdate(): boolean {
    return false
  }

  override render(): ComponentChildren {
    const { event } = this.props
    const { id, topic, type, time, data } = event
    const raw = (): string => (typeof data === 'string' ? data : JSON.stringify(data))
    return (
      <li class="event" id={id === undefined ? undefined : `event-${id}`}>
        <header>
          <time dateTime={time} title={time}>
            {moment(Date.parse(time))}
          </time>
          {type !== undefined && <span class="tag">{type}</span>}
          <code class="id">{id}</code>
          <span class="event-actions">
            <CopyButton label="Copy" text={raw} />
            <CopyButton
              label="curl"
              text={() => curlOf(topic, { type, text: raw(), isJson: typeof data !== 'string' })}
            />
          </span>
        </header>
        <DataText data={data} />
      </li>
    )
  }
}
