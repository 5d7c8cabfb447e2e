// What an event counts for in the limits of a log on disk, in bytes.

// Its row and its place in the index, beside text.
const OVERHEAD_BYTES = 48

export function eventBytes(topic: string, type: string | null, data: string): number {
  return rowBytes(
    Buffer.byteLength(topic),
    (type === null ? 0 : Buffer.byteLength(type)) + Buffer.byteLength(data),
  )
}

/** From the sizes of the topic's name, and of type and data together. */
export function rowBytes(topicBytes: number, textBytes: number): number {
  return OVERHEAD_BYTES + topicBytes + textBytes
}
