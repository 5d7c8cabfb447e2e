// The flags of `millrace serve`: one for each option of the schema.

import { Option } from 'commander'
import { flagName, unitOf } from '../config/option-names.ts'
import { OPTION_NAMES, OPTIONS, type OptionName } from '../config/schema.ts'

export function serveFlags(): Option[] {
  return OPTION_NAMES.filter(name => OPTIONS[name].isSecret !== true).flatMap(flagsOf)
}

function flagsOf(name: OptionName): Option[] {
  const { group, type } = OPTIONS[name]
  if (type !== 'boolean') return [valueFlag(name).helpGroup(`${group}:`)]
  const { default: isOn, defaultNote, offDescription } = OPTIONS[name]
  // What is the default already only serves to overrule a file or the environment.
  const on = new Option(flagName(name), helpOf(name)).hideHelp(isOn === true && defaultNote === undefined)
  const off = new Option(flagName(name).replace('--', '--no-'), offDescription)
  return [on, off.hideHelp(offDescription === undefined)].map(flag => flag.helpGroup(`${group}:`))
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
