// The options of what the hub prints about itself: a part of `schema.ts`.

import { Type } from 'typebox'

export const loggingOptions = {
  logLevel: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const, {
    group: 'Logging',
    placeholder: 'level',
    default: 'info',
    description: 'The least severe messages to print.',
  }),
  logFormat: Type.Enum(['auto', 'json', 'pretty'] as const, {
    group: 'Logging',
    placeholder: 'format',
    default: 'auto',
    description: 'How messages are printed. `auto` is pretty on a terminal and JSON otherwise.',
  }),
}
