// Reads a number of seconds from the command line.

import { InvalidArgumentError } from 'commander'

export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() !== '' && seconds >= 0 && Number.isFinite(seconds)) return seconds
  throw new InvalidArgumentError('It takes a number of seconds.')
}
