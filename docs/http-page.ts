// Renders docs/reference/http.md from what the routes say of themselves in /openapi.json.

import { DEFAULTS } from '../src/config/schema.ts'
import { startServer } from '../src/server.ts'
import { shapeOf, type Schema } from './schema-shape.ts'

const INTRODUCTION = `# The HTTP interface

<!-- Made by docs/generate.ts from the routes' schemas (/openapi.json): edit those. -->

What each request takes and answers. A hub tells the same as OpenAPI at \`/openapi.json\`. \`?\` marks what may be absent.

- **Errors** are \`application/problem+json\` on every path: {PROBLEM}. Their codes: [errors](errors.md).
- **Who may**: tokens come as \`Authorization: Bearer\`, or as the cookie of \`PUT /session\`: [access](../guide/access.md).
- **Event streams** and what the hub itself says on them: [events](events.md).
- **Limits** of sizes, counts and rates: [configuration](configuration.md).
- A path that exists with other methods answers 405 with \`Allow\`.
`

interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly name: string
  readonly required?: boolean
  readonly description?: string
  readonly schema: Schema
}

interface Answer {
  readonly description: string
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}

interface Operation {
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses?: Readonly<Record<string, Answer>>
}

interface Interface {
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Route {
  readonly name: string
  readonly operation: Operation
}

export async function httpPage(): Promise<string> {
  const { tags, paths } = await describedInterface()
  const routes = Object.entries(paths).flatMap(([path, operations]) => routesOf(path, operations))
  const sections = tags.map(({ name }) => section(name, routes))
  return [INTRODUCTION.replace('{PROBLEM}', problemShape(routes)), ...sections].join('\n')
}

async function describedInterface(): Promise<Interface> {
  const quiet = { port: 0, tls: false, log: 'memory:', logLevel: 'silent', drainMs: 0 } as const
  const hub = await startServer({ ...DEFAULTS, ...quiet })
  try {
    return (await (await fetch(`${hub.url}/openapi.json`)).json()) as Interface
  } finally {
    await hub.close()
  }
}

/** HEAD is told with GET where it says no more. */
function routesOf(path: string, operations: Readonly<Record<string, Operation>>): Route[] {
  return Object.entries(operations)
    .filter(([method, { summary }]) => method !== 'head' || summary !== operations['get']?.summary)
    .map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation }))
}

function section(tag: string, routes: readonly Route[]): string {
  const own = routes.filter(({ operation }) => operation.tags.includes(tag))
  return [`## ${tag}\n`, ...own.map(routeSection)].join('\n')
}

function routeSection({ name, operation }: Route): string {
  const { summary, description, parameters = [], requestBody, responses = {} } = operation
  const bodies = Object.keys(requestBody?.content ?? {}).map(code)
  const parts = [
    `### ${name}\n`,
    `${summary}.${description === undefined ? '' : ` ${description}`}\n`,
    ...(parameters.length > 0 ? [parameterTable(parameters)] : []),
    ...(bodies.length > 0 ? [`Body: ${bodies.join(', ')}.\n`] : []),
    ...answers(responses),
  ]
  return parts.join('\n')
}

function parameterTable(parameters: readonly Parameter[]): string {
  const rows = parameters.map(({ in: place, name, required, schema, description = '' }) => {
    const isOptional = required !== true
    return `| ${place} | ${code(name + (isOptional ? '?' : ''))} | ${shapeOf(schema)} | ${description} |`
  })
  return ['| in | name | type | |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function answers(responses: Readonly<Record<string, Answer>>): string[] {
  return Object.entries(responses)
    .filter(([status]) => !isProblem(status))
    .map(([status, answer]) => `${answerText(status, answer)}\n`)
}

function answerText(status: string, { description, content = {} }: Answer): string {
  const lines = Object.entries(content).flatMap(([type, { schema }]) => contentLines(type, schema))
  const said = description === 'Default Response' ? '' : ` ${description}.`
  return [`Answer: **${status}**.${said}`, ...(lines.length > 0 ? ['', ...lines] : [])].join('\n')
}

/** A line for each shape that the answer may have. */
function contentLines(type: string, schema: Schema): string[] {
  const shapes = (schema.anyOf ?? [schema]).map(shapeOf).filter(shape => shape !== 'string')
  if (shapes.length === 0) return [`- ${code(type)}`]
  return shapes.map(shape => `- ${code(type)}: ${code(shape)}`)
}

function isProblem(status: string): boolean {
  return status === '4XX' || status === '5XX'
}

function problemShape(routes: readonly Route[]): string {
  const problem = routes[1]?.operation.responses?.['4XX']?.content?.['application/problem+json']
  if (problem === undefined) throw new Error('/openapi.json does not say what a problem is')
  return code(shapeOf(problem.schema))
}

function code(text: string): string {
  return `\`${text}\``
}
