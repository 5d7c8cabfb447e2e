// One topic: its events as they come and back to the oldest, and what stands beside them.

import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { count, plural } from '../format.ts'
import { token } from '../credentials.ts'
import { curlOf, deleteTopic } from '../hub.ts'
import { amendQuery, goTo, hrefOf, place } from '../location.ts'
import { confirmed } from '../parts/confirm.tsx'
import { CopyButton } from '../parts/copy-button.tsx'
import { dataText } from '../parts/data-text.tsx'
import { EventItem } from '../parts/event-item.tsx'
import { Icon } from '../parts/icon.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { isTyping, SearchField } from '../parts/search-field.tsx'
import type { HubProblem } from '../request.ts'
import { useStore } from '../store.ts'
import { TopicEvents, type Row, type TopicEventsState } from '../topic-events.ts'
import { TopicSide } from './topic-side.tsx'

// As far from the top, whoever reads is not to be disturbed.
const AT_TOP_PX = 40

export function TopicView({ topic }: { topic: string }): ComponentChildren {
  const { query } = useStore(place)
  const { filter = '' } = query
  const currentToken = useStore(token)
  const events = useMemo(() => new TopicEvents(topic), [topic, currentToken])
  useEffect(() => () => events.close(), [events])
  const state = useStore(events.state)
  const [isPaused, setPaused] = useState(false)
  const isAtTop = useIsAtTop()
  useEffect(() => events.hold(isPaused || !isAtTop), [isPaused, isAtTop])
  useEscape(() => goTo(hrefOf('topics')))
  const showNewest = (): void => {
    setPaused(false)
    scrollTo(0, 0)
    if (state.isDetached) void events.restart()
  }
  const rows = useMemo(() => state.rows.filter(row => isWanted(row, filter)), [state.rows, filter])
  return (
    <div class="topic">
      <TopicHead topic={topic} />
      <div class="topic-columns">
        <TopicSide topic={topic} />
        <section class="events" aria-label="Events">
          <div class="toolbar sticky">
            <button aria-pressed={isPaused} onClick={() => (isPaused ? showNewest() : setPaused(true))}>
              <Icon name={isPaused ? 'play' : 'pause'} /> {isPaused ? 'Resume' : 'Pause'}
            </button>
            <SearchField
              value={filter}
              label="Filter the events that are loaded"
              placeholder="Filter"
              onChange={text => amendQuery({ filter: text })}
            />
            <span class="hint" role="status">
              {filter === ''
                ? plural(state.rows.length, 'event')
                : `${count(rows.length)} of ${plural(state.rows.length, 'event')}`}
            </span>
          </div>
          {(state.waiting > 0 || state.isDetached) && (
            <button class="pill primary" onClick={showNewest}>
              <Icon name="up" /> {state.waiting > 0 ? plural(state.waiting, 'new event') : 'To the newest'}
            </button>
          )}
          <ProblemNote problem={state.problem} />
          <ol class="event-list">
            {rows.map(row =>
              'event' in row ? (
                <EventItem key={row.key} event={row.event} />
              ) : (
                <li key={row.key} class="event-note">
                  {row.note}
                </li>
              ),
            )}
          </ol>
          <ListEnd events={events} state={state} hasFilter={filter !== ''} topic={topic} />
        </section>
      </div>
    </div>
  )
}

function TopicHead({ topic }: { topic: string }): ComponentChildren {
  const [problem, setProblem] = useState<HubProblem>()
  const remove = async (): Promise<void> => {
    const text = `Its events and its state are gone for good, and whoever follows it is told so: ${topic}`
    if (!(await confirmed({ title: 'Delete this topic?', text, action: 'Delete it' }))) return
    try {
      await deleteTopic(topic)
      setProblem(undefined)
    } catch (error) {
      setProblem(error as HubProblem)
    }
  }
  return (
    <>
      <div class="topic-head">
        <a
          class="quiet button"
          href={hrefOf('topics')}
          aria-label="Back to the topics"
          title="Back to the topics (Esc)"
        >
          <Icon name="back" />
        </a>
        <h1 title={topic}>{topic}</h1>
        <div class="actions">
          <CopyButton label="Copy curl" text={() => curlOf(topic)} />
          <a class="button small" href={hrefOf('publish', { topic })}>
            <Icon name="send" /> Publish
          </a>
          <button class="small danger-quiet" onClick={() => void remove()}>
            <Icon name="trash" /> Delete
          </button>
        </div>
      </div>
      <ProblemNote problem={problem} />
    </>
  )
}

function ListEnd(parts: {
  events: TopicEvents
  state: TopicEventsState
  hasFilter: boolean
  topic: string
}): ComponentChildren {
  const { events, state, hasFilter, topic } = parts
  const end = useRef<HTMLDivElement>(null)
  const { isLoading, isComplete, rows, problem } = state
  useEffect(() => {
    // A filter that lets nothing through would read the whole history, and a hub that is away be asked without end.
    if (hasFilter || isLoading || isComplete || problem !== undefined) return undefined
    const seen = new IntersectionObserver(
      entries => {
        // Several, if it came and went while the page was busy.
        if (entries.at(-1)!.isIntersecting) void events.loadOlder()
      },
      { rootMargin: '400px' },
    )
    seen.observe(end.current!)
    return () => seen.disconnect()
  }, [events, hasFilter, isLoading, isComplete, rows, problem])
  return (
    <div class="list-end" ref={end}>
      {isLoading && <span class="hint">Loading…</span>}
      {!isLoading && !isComplete && rows.length > 0 && (
        <button onClick={() => void events.loadOlder()}>
          {hasFilter ? 'Search older events' : 'Older events'}
        </button>
      )}
      {!isLoading && isComplete && rows.length > 0 && (
        <span class="hint">This is the oldest event that is kept.</span>
      )}
      {!isLoading && rows.length === 0 && problem === undefined && (
        <p class="empty">
          Nothing is kept of this topic. What is published appears here.{' '}
          <a href={hrefOf('publish', { topic })}>Publish to it</a>
        </p>
      )}
    </div>
  )
}

function isWanted(row: Row, filter: string): boolean {
  if (filter === '' || !('event' in row)) return true
  const { id = '', type = '', data } = row.event
  const wanted = filter.toLowerCase()
  // As it is shown, and as it was sent.
  return [id, type, dataText(data), typeof data === 'string' ? '' : JSON.stringify(data)].some(text =>
    text.toLowerCase().includes(wanted),
  )
}

function useIsAtTop(): boolean {
  const [isAtTop, setAtTop] = useState(true)
  useEffect(() => {
    const look = (): void => setAtTop(scrollY < AT_TOP_PX)
    addEventListener('scroll', look, { passive: true })
    return () => removeEventListener('scroll', look)
  }, [])
  return isAtTop
}

function useEscape(act: () => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented && !isTyping(event.target)) act()
    }
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [])
}
