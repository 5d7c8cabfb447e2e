// Starts the page.

import 'uplot/dist/uPlot.min.css'
import './style/base.css'
import './style/frame.css'
import './style/parts.css'
import './style/views.css'
import { render } from 'preact'
import { App } from './app.tsx'
import { startStats } from './stats-store.ts'
import { applyTheme } from './theme.ts'

applyTheme()
startStats()
render(<App />, document.querySelector('#app')!)
