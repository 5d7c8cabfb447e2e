// The page's frame: header, banner, the view that the address names, and what lies over it.

import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { hrefOf, place, type ViewName } from './location.ts'
import { Banner } from './parts/banner.tsx'
import { ConfirmDialog } from './parts/confirm.tsx'
import { Icon, type IconName } from './parts/icon.tsx'
import { StatusChip } from './parts/status-chip.tsx'
import { ThemeButton } from './parts/theme-button.tsx'
import { TokenDialog } from './parts/token-dialog.tsx'
import { useStore } from './store.ts'
import { ConnectionsView } from './views/connections.tsx'
import { OverviewView } from './views/overview.tsx'
import { PublishView } from './views/publish.tsx'
import { TokenView } from './views/token.tsx'
import { TopicView } from './views/topic.tsx'
import { TopicsView } from './views/topics.tsx'

const TABS: readonly (readonly [view: Exclude<ViewName, 'topic'>, name: string, icon: IconName])[] = [
  ['overview', 'Overview', 'pulse'],
  ['topics', 'Topics', 'list'],
  ['publish', 'Publish', 'send'],
  ['connections', 'Connections', 'plug'],
  ['token', 'Token', 'key'],
]

export function App(): ComponentChildren {
  const { view, topic } = useStore(place)
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  useLayoutEffect(() => {
    document.title = `${titleOf(view, topic)} · Millrace`
    // Whoever goes on by the keyboard, or hears the page, begins at the new view.
    if (isFirst.current) isFirst.current = false
    else {
      main.current?.focus({ preventScroll: true })
      scrollTo(0, 0)
    }
  }, [view, topic])
  return (
    <>
      <a class="skip" href="#main" onClick={event => (event.preventDefault(), main.current?.focus())}>
        To the content
      </a>
      <header class="header">
        <a class="brand" href="#/">
          <Icon name="waves" />
          <span>
            Mill<b>race</b>
          </span>
        </a>
        <nav class="tabs" aria-label="Views">
          {TABS.map(([name, label, icon]) => {
            const isHere = name === view || (name === 'topics' && view === 'topic')
            return (
              <a key={name} href={hrefOf(name)} aria-current={isHere ? 'page' : undefined}>
                <Icon name={icon} />
                <span>{label}</span>
              </a>
            )
          })}
        </nav>
        <StatusChip />
        <ThemeButton />
      </header>
      <Banner />
      <main id="main" tabIndex={-1} ref={main}>
        {view === 'overview' && <OverviewView />}
        {view === 'topics' && <TopicsView />}
        {view === 'topic' && <TopicView key={topic} topic={topic} />}
        {view === 'publish' && <PublishView />}
        {view === 'connections' && <ConnectionsView />}
        {view === 'token' && <TokenView />}
      </main>
      <TokenDialog />
      <ConfirmDialog />
    </>
  )
}

function titleOf(view: ViewName, topic: string): string {
  return view === 'topic' ? topic : TABS.find(([name]) => name === view)![1]
}
