// The order of topic names: by code point, which is the order of their UTF-8 bytes, in every log.

/** Negative when the first name comes first, 0 when both are the same. */
export function compareNames(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at++) {
    const left = one.charCodeAt(at)
    const right = other.charCodeAt(at)
    if (left !== right) return rank(left) - rank(right)
  }
  return one.length - other.length
}

// Surrogates stand for code points above all that one UTF-16 unit can hold.
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
