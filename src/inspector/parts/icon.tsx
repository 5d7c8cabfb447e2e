// The page's icons: lines on a grid of 16.

import type { ComponentChildren } from 'preact'

const PATHS = {
  waves: 'M1.5 4.5q3.2-3 6.5 0t6.5 0M1.5 8q3.2-3 6.5 0t6.5 0M1.5 11.5q3.2-3 6.5 0t6.5 0',
  pulse: 'M1.5 8.5h3l2-5 3 9 2-4h3',
  list: 'M5.5 3.5h9M5.5 8h9M5.5 12.5h9M1.8 3.5h.4M1.8 8h.4M1.8 12.5h.4',
  send: 'M14.5 1.5 7 9M14.5 1.5l-4.5 13L7 9 1.5 6z',
  plug: 'M6 1.5v3M10 1.5v3M4 4.5h8v3a4 4 0 0 1-8 0zM8 11.5v3',
  key: 'M7.2 8.8a3.4 3.4 0 1 1 1.2-1.2l6 6v1.2h-2.2v-1.8h-1.8v-1.8z',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 .9v1.4M8 13.7v1.4M.9 8h1.4M13.7 8h1.4M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z',
  pause: 'M5 3v10M11 3v10',
  play: 'M4.5 2.5v11l9-5.5z',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  trash: 'M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.8v4M9.3 6.8v4',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3l3.7 3.7',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  check: 'M2.5 8.5l3.5 3.5 7.5-8',
  alert: 'M8 2 1.5 13.5h13zM8 6.5v3.2M8 11.6v.2',
  back: 'M9.5 3 4.5 8l5 5',
  next: 'M6.5 3l5 5-5 5',
  up: 'M8 13V3M3.5 7.5 8 3l4.5 4.5',
} as const

export type IconName = keyof typeof PATHS

/** Says nothing: a text stands beside it, or a label on what it is in. */
export function Icon({ name }: { name: IconName }): ComponentChildren {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
