// JSON with its numbers as they were published, and of any depth.

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** Numbers that JavaScript would change (64-bit ids, say) stay as they were written, where the browser can. */
export function parseJson(text: string): unknown {
  const { rawJSON } = JSON as { rawJSON?: (source: string) => unknown }
  if (rawJSON === undefined) return JSON.parse(text)
  const exact: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source && !isRound(value, source)
      ? rawJSON(source)
      : value
  try {
    return JSON.parse(text, exact as (key: string, value: unknown) => unknown)
  } catch (error) {
    // Unlike plain parsing, it takes a frame of the stack for each level.
    if (error instanceof RangeError) return JSON.parse(text)
    throw error
  }
}

/** Only written in another way: 1.0, 1e3. */
function isRound(value: number, source: string): boolean {
  return Number.isSafeInteger(value) || source.replace(/[^\d]/g, '').length < 16
}
