// What stands beside a topic's events: what is kept of it, who follows it, and its state.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { bytes, count, plural, rate } from '../format.ts'
import { followers, listStreams, ownFeeds, topicFacts, topicState } from '../hub.ts'
import { hrefOf } from '../location.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { DataText } from '../parts/data-text.tsx'
import { PhaseMark } from '../parts/phase-mark.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { latest } from '../stats-store.ts'
import { useStore } from '../store.ts'
import { useLoaded } from '../use-loaded.ts'

const RELOAD_MS = 3000
const MAX_FOLLOWERS = 6

export function TopicSide({ topic }: { topic: string }): ComponentChildren {
  const stats = useStore(latest)
  const { value: facts, problem } = useLoaded(signal => topicFacts(topic, { signal }), [topic], RELOAD_MS)
  const { value: state } = useLoaded(
    async signal => (facts?.state === undefined ? undefined : topicState(topic, { signal })),
    [topic, facts?.state],
  )
  const live = stats?.topics.find(each => each.topic === topic)
  return (
    <aside class="topic-side" aria-label="About the topic">
      <section class="card facts">
        <dl>
          <div>
            <dt>Events kept</dt>
            <dd>{count(facts?.events ?? 0)}</dd>
          </div>
          <div>
            <dt>Size</dt>
            <dd>{bytes(facts?.bytes ?? 0)}</dd>
          </div>
          <div>
            <dt>Rate</dt>
            <dd>{rate(live?.rate ?? 0)}/s</dd>
          </div>
        </dl>
        <ProblemNote problem={problem} />
      </section>
      <TopicFollowers topic={topic} />
      {state !== undefined && (
        <Fold title="State" kind="state">
          <CopyButton
            label="Copy"
            text={() => (typeof state.data === 'string' ? state.data : JSON.stringify(state.data))}
          />
          <DataText data={state.data} />
        </Fold>
      )}
    </aside>
  )
}

function TopicFollowers({ topic }: { topic: string }): ComponentChildren {
  const { value: who } = useLoaded(signal => followers(topic, { signal }), [topic], RELOAD_MS)
  const { value: list } = useLoaded(
    signal => listStreams({ topic, limit: MAX_FOLLOWERS }, { signal }),
    [topic],
    RELOAD_MS,
  )
  const streams = list?.streams ?? []
  return (
    <Fold
      title={who === undefined ? 'Followers' : plural(who.count, 'stream follows it', 'streams follow it')}
      kind="followers"
    >
      <ul>
        {streams.map(({ feed, name, address, phase, lag }) => (
          <li key={feed}>
            <a href={hrefOf('connections', { search: feed })}>
              {ownFeeds.has(feed) ? 'This page' : (name ?? address)}
            </a>
            <code>{feed}</code>
            <PhaseMark phase={phase} lag={lag} />
          </li>
        ))}
      </ul>
      {list !== undefined && list.matching > streams.length && (
        <p class="hint">And {count(list.matching - streams.length)} more.</p>
      )}
    </Fold>
  )
}

/** Open where there is room beside the events. */
function Fold(parts: { title: string; kind: string; children: ComponentChildren }): ComponentChildren {
  const { title, kind, children } = parts
  const [isOpen] = useState(() => matchMedia('(min-width: 68rem)').matches)
  return (
    <details class={`card fold ${kind}`} open={isOpen}>
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  )
}
