// Explains a token: what it may do, whether this hub takes it, and why not.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { TokenReport } from '../../protocol/inspector.ts'
import { token, useToken } from '../credentials.ts'
import { duration, moment } from '../format.ts'
import { explainToken } from '../hub.ts'
import { DataText } from '../parts/data-text.tsx'
import { Icon } from '../parts/icon.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import type { HubProblem } from '../request.ts'
import { useStore } from '../store.ts'

export function TokenView(): ComponentChildren {
  const own = useStore(token)
  const [text, setText] = useState('')
  const [report, setReport] = useState<TokenReport>()
  const [problem, setProblem] = useState<HubProblem>()
  const explain = async (event: Event): Promise<void> => {
    event.preventDefault()
    try {
      setReport(await explainToken(text))
      setProblem(undefined)
    } catch (error) {
      setReport(undefined)
      setProblem(error as HubProblem)
    }
  }
  return (
    <div class="token">
      <h1>Token</h1>
      <form class="card" onSubmit={event => void explain(event)}>
        <label>
          A JWT or an API key
          <textarea
            class="code"
            rows={5}
            required
            value={text}
            spellcheck={false}
            autocomplete="off"
            placeholder="eyJhbGciOi…"
            onInput={event => setText(event.currentTarget.value)}
          />
        </label>
        <p class="hint">The hub looks at it and forgets it: it is in no log.</p>
        <div class="actions">
          {own !== '' && (
            <button type="button" onClick={() => useToken('')}>
              Forget the token of this page
            </button>
          )}
          <button class="primary">Explain</button>
        </div>
        <ProblemNote problem={problem} />
      </form>
      {report !== undefined && <Report report={report} />}
    </div>
  )
}

function Report({ report }: { report: TokenReport }): ComponentChildren {
  const { isGood, problem, name, expiresAt, publish, receive, presence, isAdmin, header, claims } = report
  return (
    <section class="card report" aria-label="What the token says" aria-live="polite">
      <p class={`verdict ${isGood ? 'is-good' : 'is-bad'}`}>
        <Icon name={isGood ? 'check' : 'alert'} />
        <span>
          <b>{isGood ? 'This hub takes it.' : 'This hub does not take it.'}</b>
          {problem !== undefined && (
            <>
              {' '}
              {problem.detail} <code>{problem.code}</code>
            </>
          )}
        </span>
      </p>
      <h2>{isGood ? 'What it may do' : 'What it would be for'}</h2>
      <dl class="rights">
        <Right name="Holder" values={name === undefined ? [] : [name]} none="nobody in particular" />
        <Right name="Publish" values={publish} none="nothing" />
        <Right name="Receive" values={receive} none="nothing" />
        <Right name="See who follows" values={presence} none="nothing" />
        <Right name="Run the hub" values={isAdmin ? ['yes'] : []} none="no" />
        <Right
          name="Expires"
          values={expiresAt === undefined ? [] : [expiryText(expiresAt)]}
          none={isGood ? 'never' : 'it does not say'}
        />
      </dl>
      {claims !== undefined && (
        <>
          <h2>What it says</h2>
          <h3>Header</h3>
          <DataText data={header} />
          <h3>Claims</h3>
          <DataText data={claims} />
        </>
      )}
    </section>
  )
}

function Right({
  name,
  values,
  none,
}: {
  name: string
  values: readonly string[]
  none: string
}): ComponentChildren {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {values.length === 0 ? (
          <span class="hint">{none}</span>
        ) : (
          values.map(value => <code key={value}>{value}</code>)
        )}
      </dd>
    </div>
  )
}

function expiryText(time: number): string {
  const left = time - Date.now()
  return `${moment(time, false)}, ${left < 0 ? `${duration(-left)} ago` : `in ${duration(left)}`}`
}
