// Finds the name that a misspelt one was probably meant to be.

/** The candidate within a third of its length in typing errors of `word`, or undefined. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const wanted = squeeze(word)
  const ranked = candidates
    .map(candidate => ({ candidate, distance: editDistance(wanted, squeeze(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, squeeze(candidate).length / 3))
    .sort((one, other) => one.distance - other.distance)
  return ranked[0]?.candidate
}

// `max_body_bytes` and `--max-body-bytes` are spellings of `maxBodyBytes`, not typing errors.
function squeeze(name: string): string {
  return name.replace(/[-_]/g, '').toLowerCase()
}

// Levenshtein, a row at a time.
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const changed = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[other.length]!
}
