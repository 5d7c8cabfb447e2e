// The topics: searched, by name or by rate, a page at a time; all of it by the keyboard too.

import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import { findTopics, isFound, PAGE_TOPICS, type TopicPage } from '../find-topics.ts'
import { bytes, compact, duration, plural, rate } from '../format.ts'
import type { TopicSummary } from '../../client/options.ts'
import { lastValue, lastValuesFound } from '../last-values.ts'
import { amendQuery, hrefOf, place, topicHref } from '../location.ts'
import { Icon } from '../parts/icon.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { SearchField } from '../parts/search-field.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { TopicName } from '../parts/topic-name.tsx'
import { latest, SPARK_LENGTH, sparkOf } from '../stats-store.ts'
import { useStore } from '../store.ts'
import { useLoaded } from '../use-loaded.ts'
import type { TopicStats } from '../../protocol/inspector.ts'

const RELOAD_MS = 4000

interface Row {
  readonly topic: string
  readonly summary: TopicSummary | undefined
  /** Of those that had an event since the page was opened. */
  readonly live: TopicStats | undefined
}

export function TopicsView(): ComponentChildren {
  const { query } = useStore(place)
  const { search = '', sort = 'rate', after = '' } = query
  const stats = useStore(latest)
  const before = useRef<string[]>([])
  const list = useRef<HTMLTableSectionElement>(null)
  const { value: page, problem } = useLoaded(
    signal => findTopics(search, after, signal),
    [search, after],
    search === '' || search.includes('*') ? RELOAD_MS : undefined,
  )
  const live = new Map(stats?.topics.map(each => [each.topic, each]))
  const rows = rowsOf(page, live, { search, isByRate: sort === 'rate', isFirst: after === '' })
  const turnTo = (next: string): void => amendQuery({ ...query, after: next })
  const sortBy = (by: string): void => amendQuery({ search, sort: by === 'rate' ? '' : by })
  return (
    <div class="topics" onKeyDown={event => moveFocus(event, list.current!)}>
      <div class="toolbar">
        <h1>Topics</h1>
        <SearchField
          value={search}
          label="Search topics"
          placeholder="Part of a name, or a pattern: orders/*"
          onChange={text => {
            before.current = []
            amendQuery({ search: text, sort: sort === 'rate' ? '' : sort })
          }}
        />
        {stats !== undefined && <span class="hint">{plural(stats.log.topics, 'topic')}</span>}
      </div>
      <ProblemNote problem={problem} />
      <table class="topic-table">
        <thead>
          <tr>
            <SortHeader
              name="Topic"
              isSorted={sort === 'name'}
              direction="ascending"
              onClick={() => sortBy('name')}
            />
            <th class="wide">Last value</th>
            <SortHeader
              name="Rate"
              isSorted={sort === 'rate'}
              direction="descending"
              onClick={() => sortBy('rate')}
            />
            <th class="number mid">Events</th>
            <th class="number wide">Size</th>
            <th class="number mid">Last event</th>
          </tr>
        </thead>
        <tbody ref={list}>
          {rows.map(row => (
            <TopicRow key={row.topic} row={row} />
          ))}
        </tbody>
      </table>
      {rows.length === 0 && page !== undefined && <NoTopics search={search} />}
      {rows.length === 0 && page === undefined && problem === undefined && <p class="empty">Loading…</p>}
      <div class="pager">
        <button disabled={after === ''} onClick={() => turnTo(before.current.pop() ?? '')}>
          <Icon name="back" /> Previous
        </button>
        {page?.isUnfinished === true && (
          <span class="hint">There may be more: go on to search the rest.</span>
        )}
        <button
          disabled={page?.next === undefined}
          onClick={() => {
            before.current.push(after)
            turnTo(page!.next!)
            scrollTo(0, 0)
          }}
        >
          {page?.isUnfinished === true ? 'Search on' : 'Next'} <Icon name="next" />
        </button>
      </div>
    </div>
  )
}

function SortHeader(parts: {
  name: string
  isSorted: boolean
  direction: 'ascending' | 'descending'
  onClick: () => void
}): ComponentChildren {
  const { name, isSorted, direction, onClick } = parts
  return (
    <th class={name === 'Rate' ? 'rate' : ''} aria-sort={isSorted ? direction : 'none'}>
      <button class="sort" onClick={onClick}>
        {name}
        <span aria-hidden="true">{isSorted ? (direction === 'ascending' ? '↑' : '↓') : ''}</span>
      </button>
    </th>
  )
}

function TopicRow({ row: { topic, summary, live } }: { row: Row }): ComponentChildren {
  useStore(lastValuesFound)
  const lastTime = live?.lastTime ?? (summary === undefined ? undefined : Date.parse(summary.time))
  const last = live?.lastData ?? lastText(topic, summary)
  return (
    <tr>
      <th scope="row">
        <a data-row href={topicHref(topic)} aria-label={topic}>
          <TopicName topic={topic} />
        </a>
      </th>
      <td class="wide last">{last}</td>
      <td class="rate">
        <Sparkline values={sparkOf(topic)} length={SPARK_LENGTH} />
        <span>{live === undefined ? <span class="hint">–</span> : `${rate(live.rate)}/s`}</span>
      </td>
      <td class="number mid">{summary === undefined ? '–' : compact(summary.events)}</td>
      <td class="number wide">{summary === undefined ? '–' : bytes(summary.bytes)}</td>
      <td class="number mid">{lastTime === undefined ? '' : ago(lastTime)}</td>
    </tr>
  )
}

function lastText(topic: string, summary: TopicSummary | undefined): string {
  if (summary?.last === undefined) return ''
  const data = lastValue(topic, summary.last)?.data
  return (typeof data === 'string' ? data : (JSON.stringify(data) ?? '')).slice(0, 200)
}

function ago(time: number): string {
  const age = Date.now() - time
  return age < 1500 ? 'now' : duration(age)
}

function NoTopics({ search }: { search: string }): ComponentChildren {
  if (search === '') {
    return (
      <p class="empty">
        The log has no topics yet. <a href={hrefOf('publish')}>Publish the first event</a>
      </p>
    )
  }
  return (
    <p class="empty">
      No topic has “{search}” in its name.{' '}
      {!search.includes('*') && <a href={topicHref(search)}>Follow the topic “{search}” all the same</a>}
    </p>
  )
}

/** By rate, those come first that had an event since the page was opened; the rest by name. */
function rowsOf(
  page: TopicPage | undefined,
  live: ReadonlyMap<string, TopicStats>,
  { search, isByRate, isFirst }: { search: string; isByRate: boolean; isFirst: boolean },
): readonly Row[] {
  const listed = new Map(page?.topics.map(summary => [summary.topic, summary]))
  const named = [...listed].map(([topic, summary]): Row => ({ topic, summary, live: live.get(topic) }))
  if (!isByRate) return named
  if (search.includes('*'))
    return named.sort((one, other) => (other.live?.rate ?? -1) - (one.live?.rate ?? -1))
  const busy = [...live.values()].filter(({ topic }) => isFound(topic, search))
  const first = busy.map((each): Row => ({ topic: each.topic, summary: listed.get(each.topic), live: each }))
  const rest = named.filter(({ topic }) => !live.has(topic))
  return isFirst ? [...first.slice(0, PAGE_TOPICS), ...rest] : rest
}

/** Arrows go from row to row, and from the search to the first. */
function moveFocus(event: KeyboardEvent, list: HTMLElement): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step === undefined) return
  const rows = [...list.querySelectorAll<HTMLElement>('[data-row]')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  if (at === -1 && step === -1) return
  event.preventDefault()
  if (at === 0 && step === -1) document.querySelector<HTMLElement>('.search input')?.focus()
  else rows[Math.min(rows.length - 1, at + step)]?.focus()
}
