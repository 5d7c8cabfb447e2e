// Changes between light and dark.

import type { ComponentChildren } from 'preact'
import { useStore } from '../store.ts'
import { isDark, theme, toggleTheme } from '../theme.ts'
import { Icon } from './icon.tsx'

export function ThemeButton(): ComponentChildren {
  useStore(theme)
  const wanted = isDark() ? 'light' : 'dark'
  return (
    <button
      class="quiet theme-button"
      aria-label={`Use the ${wanted} theme`}
      title={`Use the ${wanted} theme`}
      onClick={toggleTheme}
    >
      <Icon name={isDark() ? 'sun' : 'moon'} />
    </button>
  )
}
