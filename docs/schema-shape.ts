// Writes a JSON schema as the shape that it describes: `{"id": string, "type"?: string}`.

export interface Schema {
  readonly type?: string
  readonly format?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

export function shapeOf(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(value => JSON.stringify(value)).join(' or ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(shapeOf).join(' or ')
  if (schema.allOf !== undefined) return shapeOf(schema.allOf[0]!)
  if (schema.items !== undefined) return `[${shapeOf(schema.items)}, …]`
  if (schema.properties !== undefined) return objectShape(schema, schema.properties)
  return schema.format ?? schema.type ?? 'any'
}

function objectShape({ required = [] }: Schema, properties: Readonly<Record<string, Schema>>): string {
  const members = Object.entries(properties).map(
    ([name, schema]) => `${JSON.stringify(name)}${required.includes(name) ? '' : '?'}: ${shapeOf(schema)}`,
  )
  return `{${members.join(', ')}}`
}
