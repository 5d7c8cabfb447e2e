// Publishes an event, and shows what the hub made of it.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { bytes, moment } from '../format.ts'
import { listTopics, publish } from '../hub.ts'
import { place, topicHref } from '../location.ts'
import { ProblemNote } from '../parts/problem-note.tsx'
import type { HubProblem } from '../request.ts'
import { latest } from '../stats-store.ts'
import { useStore } from '../store.ts'
import { useLoaded } from '../use-loaded.ts'

type Format = 'json' | 'text'

interface Outcome {
  readonly id: string
  readonly topic: string
  readonly time: number
}

const MAX_OUTCOMES = 20
const MAX_SUGGESTIONS = 100

export function PublishView(): ComponentChildren {
  const { query } = useStore(place)
  const [topic, setTopic] = useState(query['topic'] ?? '')
  const [type, setType] = useState('')
  const [data, setData] = useState('')
  const [format, setFormat] = useState<Format>('json')
  const [isState, setState] = useState(false)
  const [isSending, setSending] = useState(false)
  const [problem, setProblem] = useState<HubProblem>()
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([])
  const fault = format === 'json' ? jsonFault(data) : undefined
  const send = async (event?: Event): Promise<void> => {
    event?.preventDefault()
    if (isSending || topic === '' || (format === 'json' && (fault !== undefined || data.trim() === '')))
      return
    setSending(true)
    try {
      const published = await publish({ topic, type, data, isJson: format === 'json', isState })
      setOutcomes(all => [{ ...published, time: Date.now() }, ...all].slice(0, MAX_OUTCOMES))
      setProblem(undefined)
    } catch (error) {
      setProblem(error as HubProblem)
    }
    setSending(false)
  }
  return (
    <div class="publish">
      <h1>Publish</h1>
      <form
        class="card"
        onSubmit={event => void send(event)}
        onKeyDown={event => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void send(event)
        }}
      >
        <div class="row">
          <label class="grow">
            Topic
            <input
              value={topic}
              list="topics"
              required
              spellcheck={false}
              autocomplete="off"
              placeholder="orders/eu/42"
              onInput={event => setTopic(event.currentTarget.value)}
            />
          </label>
          <label>
            Type
            <input
              value={type}
              spellcheck={false}
              autocomplete="off"
              placeholder="message"
              onInput={event => setType(event.currentTarget.value)}
            />
          </label>
        </div>
        <Suggestions />
        <fieldset class="choice">
          <legend class="unseen">Format</legend>
          {(['json', 'text'] as const).map(each => (
            <label key={each}>
              <input type="radio" name="format" checked={format === each} onChange={() => setFormat(each)} />
              <span>{each === 'json' ? 'JSON' : 'Text'}</span>
            </label>
          ))}
          {format === 'json' && (
            <button
              type="button"
              class="link"
              disabled={fault !== undefined || data.trim() === ''}
              onClick={() => setData(pretty(data))}
            >
              Tidy up
            </button>
          )}
        </fieldset>
        <label>
          <span class="unseen">Data</span>
          <textarea
            class="code"
            rows={12}
            value={data}
            spellcheck={false}
            placeholder={format === 'json' ? '{"state": "paid"}' : 'Any text'}
            aria-invalid={fault !== undefined}
            aria-describedby="data-note"
            onInput={event => setData(event.currentTarget.value)}
          />
        </label>
        <p id="data-note" class={fault === undefined ? 'hint' : 'fault'} aria-live="polite">
          {fault ?? bytes(new TextEncoder().encode(data).length)}
        </p>
        <label class="check">
          <input
            type="checkbox"
            checked={isState}
            onChange={event => setState(event.currentTarget.checked)}
          />
          <span>
            Set it as the topic's state <small>kept beyond retention; new subscribers get it first</small>
          </span>
        </label>
        <ProblemNote problem={problem} />
        {problem?.status === 0 && (
          <p class="problem">The hub cannot be reached: what you typed is still here.</p>
        )}
        <div class="actions">
          <span class="hint">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd>
          </span>
          <button class="primary" disabled={isSending || fault !== undefined}>
            {isSending ? 'Publishing…' : 'Publish'}
          </button>
        </div>
      </form>
      <section class="card outcomes" aria-label="Published" aria-live="polite">
        <h2>Published from here</h2>
        {outcomes.length === 0 && (
          <p class="empty">Nothing yet. What the hub has kept appears here, with its id.</p>
        )}
        <ol>
          {outcomes.map(outcome => (
            <li key={outcome.id}>
              <time>{moment(outcome.time, false)}</time>
              <a href={topicHref(outcome.topic)}>{outcome.topic}</a>
              <code>{outcome.id}</code>
            </li>
          ))}
        </ol>
      </section>
    </div>
  )
}

function Suggestions(): ComponentChildren {
  const { value: listed = [] } = useLoaded(signal => listTopics('', MAX_SUGGESTIONS, '**', { signal }), [])
  const busy = latest.value?.topics ?? []
  const names = new Set([...busy, ...listed].map(({ topic }) => topic))
  return (
    <datalist id="topics">
      {[...names].slice(0, MAX_SUGGESTIONS).map(name => (
        <option key={name} value={name} />
      ))}
    </datalist>
  )
}

/** Says what is wrong; nothing is said of an empty text, which may become anything. */
function jsonFault(text: string): string | undefined {
  if (text.trim() === '') return undefined
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `Not JSON: ${(error as Error).message}`
  }
}

function pretty(text: string): string {
  return JSON.stringify(JSON.parse(text), null, 2)
}
