// Finds the text of one member of a JSON object, so that a value can be passed on as it was written: parsing and printing
// it again would round large numbers, and drop repeated names.

/** The text of the member's value (the last one's, as JSON.parse has it). `object` must be valid JSON. */
export function memberText(object: string, name: string): string | undefined {
  let found: string | undefined
  let at = object.indexOf('{') + 1
  for (;;) {
    const key = object.indexOf('"', at)
    if (key === -1) return found
    const keyEnd = stringEnd(object, key)
    const value = object.indexOf(':', keyEnd) + 1
    const end = valueEnd(object, value)
    if (JSON.parse(object.slice(key, keyEnd)) === name) found = object.slice(value, end).trim()
    at = end
  }
}

/** Just behind the string that begins here. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    const character = text.charCodeAt(at)
    if (character === BACKSLASH) at++
    else if (character === QUOTE) return at + 1
  }
}

/** Where the value that begins here is followed by a comma or by the end of the object around it. */
function valueEnd(text: string, start: number): number {
  let depth = 0
  for (let at = start; ; at++) {
    const character = text.charCodeAt(at)
    if (character === QUOTE) at = stringEnd(text, at) - 1
    else if (character === OPEN_BRACE || character === OPEN_BRACKET) depth++
    else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) {
      if (depth-- === 0) return at
    } else if (character === COMMA && depth === 0) return at
  }
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
