// How deep a value of JSON is nested. Parsing takes any depth, but what is nested some thousand levels deep cannot be written
// again, which takes a frame of the stack for each of them.

/** Deeper than anything that somebody means. */
export const MAX_LEVELS = 100

export function isNestedTooDeep(value: unknown, levels = MAX_LEVELS): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(member => isNestedTooDeep(member, levels - 1))
}
