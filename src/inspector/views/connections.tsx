// Who is connected, the furthest behind first; a stream can be closed.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { StreamInfo } from '../../protocol/inspector.ts'
import { bytes, compact, count, duration, plural } from '../format.ts'
import { closeStream, listStreams, ownFeeds } from '../hub.ts'
import { amendQuery, place, topicHref } from '../location.ts'
import { confirmed } from '../parts/confirm.tsx'
import { Icon } from '../parts/icon.tsx'
import { PhaseMark } from '../parts/phase-mark.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { SearchField } from '../parts/search-field.tsx'
import type { HubProblem } from '../request.ts'
import { useStore } from '../store.ts'
import { useLoaded } from '../use-loaded.ts'

const RELOAD_MS = 2000
const MAX_STREAMS = 200

export function ConnectionsView(): ComponentChildren {
  const { query } = useStore(place)
  const { search = '' } = query
  const {
    value: list,
    problem,
    reload,
  } = useLoaded(signal => listStreams({ search, limit: MAX_STREAMS }, { signal }), [search], RELOAD_MS)
  const [fault, setFault] = useState<HubProblem>()
  const close = async (stream: StreamInfo): Promise<void> => {
    const text = `${stream.name ?? stream.address} is told that the stream was closed, and may come back.`
    if (!(await confirmed({ title: 'Close this stream?', text, action: 'Close it' }))) return
    try {
      await closeStream(stream.feed)
      setFault(undefined)
    } catch (error) {
      setFault(error as HubProblem)
    }
    reload()
  }
  const streams = list?.streams ?? []
  return (
    <div class="connections">
      <div class="toolbar">
        <h1>Connections</h1>
        <SearchField
          value={search}
          label="Search streams"
          placeholder="Address, name, topic or feed"
          onChange={text => amendQuery({ search: text })}
        />
        {list !== undefined && (
          <span class="hint" role="status">
            {search === ''
              ? plural(list.total, 'stream')
              : `${count(list.matching)} of ${plural(list.total, 'stream')}`}
          </span>
        )}
      </div>
      <ProblemNote problem={problem ?? fault} />
      {streams.length > 0 && (
        <table class="stream-table">
          <thead>
            <tr>
              <th>Client</th>
              <th>Follows</th>
              <th>State</th>
              <th class="number">Sent</th>
              <th class="number">Waiting</th>
              <th class="number">Open for</th>
              <th class="number">Token</th>
              <th>
                <span class="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {streams.map(stream => (
              <StreamRow key={stream.feed} stream={stream} onClose={() => void close(stream)} />
            ))}
          </tbody>
        </table>
      )}
      {list !== undefined && list.matching > streams.length && (
        <p class="hint">The {count(streams.length)} that are furthest behind; search for others.</p>
      )}
      {list !== undefined && streams.length === 0 && (
        <p class="empty">
          {search === ''
            ? 'No stream is open. Clients that follow topics appear here.'
            : `No stream has “${search}” in its address, name, topics or feed.`}
        </p>
      )}
      {list === undefined && problem === undefined && <p class="empty">Loading…</p>}
    </div>
  )
}

function StreamRow({ stream, onClose }: { stream: StreamInfo; onClose: () => void }): ComponentChildren {
  const { feed, name, address, kind, protocol, phase, lag, bytesSent, bufferedBytes, openedMs, expiresAt } =
    stream
  const isCompressed = stream.isCompressed ? ' · gzip' : ''
  return (
    <tr class={lag > 0 ? 'is-late' : undefined}>
      <th scope="row">
        <span class="who">
          {name ?? address} {ownFeeds.has(feed) && <span class="tag">this page</span>}
        </span>
        <small>
          {name === undefined ? '' : `${address} · `}
          {kind} · {protocol}
          {isCompressed} · <code>{feed}</code>
        </small>
      </th>
      <td class="follows">
        <TopicLinks stream={stream} />
      </td>
      <td data-label="State">
        <PhaseMark phase={phase} lag={lag} />
      </td>
      <td class="number" data-label="Sent">
        {bytes(bytesSent)}
      </td>
      <td class="number" data-label="Waiting">
        {bufferedBytes === 0 ? '–' : bytes(bufferedBytes)}
      </td>
      <td class="number" data-label="Open for">
        {duration(openedMs)}
      </td>
      <td class="number" data-label="Token">
        {expiresAt === undefined ? '–' : `${duration(expiresAt - Date.now())} left`}
      </td>
      <td class="action">
        <button
          class="small danger-quiet"
          aria-label={`Close the stream ${feed} of ${name ?? address}`}
          onClick={onClose}
        >
          <Icon name="close" /> Close
        </button>
      </td>
    </tr>
  )
}

const MAX_SHOWN = 3

function TopicLinks({ stream: { topics, topicCount, kind } }: { stream: StreamInfo }): ComponentChildren {
  const isLinked = (topic: string): boolean => !topic.includes('*') && kind !== 'mercure'
  return (
    <>
      {topics.slice(0, MAX_SHOWN).map(topic =>
        isLinked(topic) ? (
          <a key={topic} href={topicHref(topic)} title={topic}>
            {topic}
          </a>
        ) : (
          <span key={topic} title={topic}>
            {topic}
          </span>
        ),
      )}
      {topicCount > MAX_SHOWN && (
        <small title={topics.join('\n')}>and {compact(topicCount - MAX_SHOWN)} more</small>
      )}
    </>
  )
}
