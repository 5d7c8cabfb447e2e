// Light or dark: as the system has it, until somebody chooses.

import { Store } from './store.ts'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'millrace-theme'

export const theme = new Store<Theme>((localStorage.getItem(KEY) as Theme | null) ?? 'system')

const systemIsDark = matchMedia('(prefers-color-scheme: dark)')

/** What is seen now. */
export function isDark(): boolean {
  return theme.value === 'system' ? systemIsDark.matches : theme.value === 'dark'
}

export function applyTheme(): void {
  const { dataset } = document.documentElement
  const apply = (): void => {
    dataset['theme'] = theme.value
  }
  apply()
  theme.listen(apply)
  systemIsDark.addEventListener('change', () => theme.set(theme.value))
}

/** Whoever goes back to what the system has follows the system again. */
export function toggleTheme(): void {
  const wanted: Theme = isDark() ? 'light' : 'dark'
  const chosen = (wanted === 'dark') === systemIsDark.matches ? 'system' : wanted
  if (chosen === 'system') localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, chosen)
  theme.set(chosen)
}
