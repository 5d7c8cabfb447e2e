// How one option is spelled in each place (file, environment, command line), and what it takes, in words.

import { OPTIONS, type OptionName, type OptionSchema } from './schema.ts'

/** `maxBodyBytes` becomes `MILLRACE_MAX_BODY_BYTES`. */
export function environmentName(name: OptionName): string {
  return `MILLRACE_${separated(name, '_').toUpperCase()}`
}

/** `maxBodyBytes` becomes `--max-body-bytes`. */
export function flagName(name: OptionName): string {
  return `--${separated(name, '-')}`
}

/** A text that names flags, for whoever gave options: `--max-body-bytes` becomes `maxBodyBytes`. */
export function inOptionNames(text: string): string {
  return text.replace(/--([a-z]+(?:-[a-z]+)*)/g, (_flag, name: string) =>
    name.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase()),
  )
}

function separated(name: string, separator: string): string {
  return name.replace(/[A-Z]/g, letter => separator + letter.toLowerCase())
}

/** `ms`, `bytes` and so on; undefined for what is no quantity. */
export function unitOf(name: OptionName): string | undefined {
  if (OPTIONS[name].unit !== undefined) return OPTIONS[name].unit
  if (name.endsWith('Ms')) return 'ms'
  if (name.endsWith('Bytes')) return 'bytes'
  return undefined
}

/** Whether it takes an integer, and perhaps a word in its place. */
export function isInteger({ type, orWord }: OptionSchema): boolean {
  return type === 'integer' || orWord !== undefined
}

/** What the option takes, to end a sentence that begins "it takes". */
export function accepts(name: OptionName): string {
  const option = OPTIONS[name]
  if (option.enum) return `one of ${option.enum.join(', ')}`
  if (isInteger(option)) {
    const word = option.orWord === undefined ? '' : `, or ${option.orWord}`
    return `an integer from ${option.minimum} to ${option.maximum}${inUnit(name)}${word}`
  }
  if (option.type === 'boolean') return 'true or false'
  if (option.type === 'array') return `a list of ${option.placeholder}s`
  return nounOf(option)
}

function inUnit(name: OptionName): string {
  const unit = unitOf(name)
  return unit === undefined ? '' : ` (${unit})`
}

function nounOf(option: OptionSchema): string {
  if (option.placeholder === 'url') return 'a URL'
  if (option.placeholder === 'file') return "a file's path"
  if (option.placeholder === 'dir') return "a directory's path"
  return 'text that is not empty'
}
