// The flags of `millrace serve`: one for each option of the schema.

import { Option } from 'commander'
import { flagName, unitOf } from '../config/option-names.ts'
import { OPTION_NAMES, OPTIONS, type OptionName } from '../config/schema.ts'

export function serveFlags(): Option[] {
  return OPTION_NAMES.flatMap(flagsOf)
}

function flagsOf(name: OptionName): Option[] {
  const { group, type } = OPTIONS[name]
  if (type !== 'boolean') return [valueFlag(name).helpGroup(`${group}:`)]
  const negated = new Option(flagName(name).replace('--', '--no-'), OPTIONS[name].offDescription)
  // The plain flag only serves to overrule a file or the environment.
  return [negated.helpGroup(`${group}:`), new Option(flagName(name), '').hideHelp()]
}

function valueFlag(name: OptionName): Option {
  const option = new Option(`${flagName(name)} <${placeholderOf(name)}>`, helpOf(name))
  return OPTIONS[name].type === 'array' ? option.argParser(appended) : option
}

function appended(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

function placeholderOf(name: OptionName): string {
  const { placeholder, type } = OPTIONS[name]
  return placeholder ?? unitOf(name) ?? (type === 'integer' ? 'n' : name)
}

function helpOf(name: OptionName): string {
  const option = OPTIONS[name]
  const choices = option.enum ? ` One of ${option.enum.join(', ')}.` : ''
  const several = option.type === 'array' ? ' Comma-separated or repeated.' : ''
  const value = option.defaultNote?.replaceAll('`', '') ?? option.default
  return `${plain(option.description)}${choices}${several}${value === undefined ? '' : ` (${value})`}`
}

function plain(markdown: string): string {
  return markdown.replaceAll('`', '')
}
