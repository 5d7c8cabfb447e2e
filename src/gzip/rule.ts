// When compressing a chunk once costs the hub less than sending it to everybody as it is.

export interface CompressionRule {
  /** Fewer subscribers that take gzip get what they share as it is. */
  readonly minReaders: number
  /** So much the chunk must come to for all of them together, in bytes. */
  readonly minBytes: number
}

/** bench/compression.ts has the measurement. */
export const COMPRESSION_RULE: CompressionRule = { minReaders: 16, minBytes: 32_768 }

export function pays({ minReaders, minBytes }: CompressionRule, bytes: number, readers: number): boolean {
  return readers >= minReaders && readers * bytes >= minBytes
}
