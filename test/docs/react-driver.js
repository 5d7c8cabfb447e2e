// What the test of the hooks for React does with them in its page, beside the page of the guide. Bundled with that.

import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
// Effects have been run when it returns, as strict mode runs them within a turn.
import { act } from 'preact/test-utils'
import { useEvents } from './page.tsx'

const element = document.body.appendChild(document.createElement('div'))
let root

/** Renders what the topics say, with an array and a function that are new each time. */
function List({ topics, prefix, after }) {
  const add = (before, { data }) => [...before, prefix + data]
  const lines = useEvents([...topics], add, [], after)
  // What is painted, even if only for a moment.
  globalThis.painted.push(`${topics}: ${lines}`)
  return createElement('pre', null, lines.join(' '))
}

Object.assign(globalThis, {
  painted: [],
  mount: props => {
    root ??= createRoot(element)
    void act(() => root.render(createElement(List, props)))
  },
  unmount: () => {
    root.unmount()
    root = undefined
  },
})
