// A topic's name: what tells it from its neighbours stands at its end, so a long one is cut in front of its last segment.

import type { ComponentChildren } from 'preact'

export function TopicName({ topic }: { topic: string }): ComponentChildren {
  const slash = topic.lastIndexOf('/') + 1
  return (
    <span class="topic-name" title={topic}>
      {slash > 0 && <span>{topic.slice(0, slash)}</span>}
      <b>{topic.slice(slash)}</b>
    </span>
  )
}
