// Renders docs/reference/configuration.md from the configuration schema.

import { environmentName, flagName, isInteger, unitOf } from '../src/config/option-names.ts'
import { OPTION_NAMES, OPTIONS, type OptionName } from '../src/config/schema.ts'

const INTRODUCTION = `# Configuration

<!-- Made by docs/generate.ts from src/config/schema.ts: edit that. -->

Every option can be set in four places; each goes before the one above it:

1. the default;
2. a JSON file, named by \`--config FILE\` or \`MILLRACE_CONFIG\`, with the file keys below;
3. the environment;
4. the command line of \`millrace serve\`.

\`\`\`json
{ "port": 9444, "corsOrigin": ["https://app.example.org"], "logMaxAgeMs": 3600000 }
\`\`\`

- A list is an array in the file and comma-separated in the environment; a flag can also be repeated.
- A boolean is \`true\` or \`false\`; an empty environment variable counts as unset.
- Relative paths start from the working directory.
- A value that does not fit, an unknown file key and an unknown flag stop the hub from starting, with a message that
  names the option and where the value came from.
- Kubernetes sets \`MILLRACE_PORT=tcp://...\` in the pods beside a service that is named \`millrace\`. Give the pods
  \`enableServiceLinks: false\`, or the service another name.
- Off loopback, and behind a proxy, the hub starts only if it has a key for tokens, or \`anonymousPublish\` or \`anonymousReceive\` says what anyone may do.
- \`maxBodyBytes\` ≤ \`logMaxTopicBytes\` ≤ \`logMaxBytes\`.
`

const CLIENTS = `## Clients

\`millrace publish\` and \`millrace subscribe\` take these; the flags go before the environment.

| flag | environment | default | |
|---|---|---|---|
| \`--url\` | \`MILLRACE_URL\` | \`https://localhost:9443\` | Where the hub is. |
| \`--cacert\` | \`MILLRACE_CACERT\` | \`certs/ca.pem\` if there is one | The CA that signed the hub's certificate, PEM. |
`

export function configurationPage(): string {
  const groups = [...new Set(OPTION_NAMES.map(name => OPTIONS[name].group))]
  return [INTRODUCTION, ...groups.map(groupSection), CLIENTS].join('\n')
}

function groupSection(group: string): string {
  const rows = OPTION_NAMES.filter(name => OPTIONS[name].group === group).map(optionRow)
  return `## ${group}

| flag | environment | file key | type | default | unit | |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}

function optionRow(name: OptionName): string {
  const isOn = OPTIONS[name].default === true
  const flag = isOn ? flagName(name).replace('--', '--no-') : flagName(name)
  const cells = [code(flag), code(environmentName(name)), code(name), typeOf(name)]
  return `| ${[...cells, defaultOf(name), unitOf(name) ?? '', descriptionOf(name)].join(' | ')} |`
}

function descriptionOf(name: OptionName): string {
  const { description, offDescription } = OPTIONS[name]
  return offDescription === undefined ? description : `${description} The flag: ${offDescription}`
}

function typeOf(name: OptionName): string {
  const option = OPTIONS[name]
  if (option.enum) return option.enum.map(code).join(', ')
  if (isInteger(option)) {
    const word = option.orWord === undefined ? '' : `, or ${code(option.orWord)}`
    return `integer, ${option.minimum} to ${rangeEnd(option.maximum)}${word}`
  }
  if (option.type === 'array') return `list of ${option.placeholder}s`
  return option.type === 'string' ? (option.placeholder ?? 'text') : (option.type ?? '')
}

function rangeEnd(maximum: number | undefined): string {
  return maximum === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : String(maximum)
}

function defaultOf(name: OptionName): string {
  const option = OPTIONS[name]
  if (option.defaultNote !== undefined) return option.defaultNote
  return option.default === undefined ? 'none' : code(String(option.default))
}

function code(text: string): string {
  return `\`${text}\``
}
