// The pieces that a gzip stream (RFC 1952) is put together from. Each begins and ends on a byte's boundary, so they may
// come from different compressors, in any order: the client has one inflater for all of them.

import { constants, deflateRawSync } from 'node:zlib'

/** No name, no time, no particular system. */
export const GZIP_HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])

/** How far back a run may refer to its dictionary, in bytes. */
export const DICTIONARY_BYTES = 4096

// Above this, the better levels take several times as long for a tenth less.
const FAST_BYTES = 4096

// A compressor takes memory by these, which has to be set up for each run: the window holds the dictionary and as much.
const WINDOW_BITS = 13
const MEM_LEVEL = 6

const MAX_STORED = 0xffff
const STORED_HEAD_BYTES = 5

// Up to here a copy costs less than a write more.
const MAX_COPIED = 4096

/** What is to be sent, in one piece or in several: large bytes are not copied just to stand behind a head. */
export type Pieces = readonly Buffer[]

const NOTHING = Buffer.alloc(0)

/** Compressed. The client must have had the dictionary's bytes right before it. */
export function deflated(bytes: Buffer, dictionary: Buffer = NOTHING): Pieces {
  const run = deflateRawSync(bytes, {
    level: bytes.length > FAST_BYTES ? 1 : 6,
    windowBits: WINDOW_BITS,
    memLevel: MEM_LEVEL,
    finishFlush: constants.Z_SYNC_FLUSH,
    // Node fills buffers of this size: a large one would be held by a few bytes.
    chunkSize: Math.min(4096, Math.max(64, bytes.length)),
    ...(dictionary.length > 0 && { dictionary }),
  })
  return run.length < bytes.length ? [run] : stored(bytes)
}

/** As they are, in blocks that say so. */
export function stored(bytes: Buffer): Pieces {
  if (bytes.length === 0) return []
  if (bytes.length <= MAX_COPIED) return [Buffer.concat([storedHead(bytes.length), bytes])]
  const pieces: Buffer[] = []
  for (let from = 0; from < bytes.length; from += MAX_STORED) {
    const block = bytes.subarray(from, from + MAX_STORED)
    pieces.push(storedHead(block.length), block)
  }
  return pieces
}

function storedHead(length: number): Buffer {
  const head = Buffer.allocUnsafe(STORED_HEAD_BYTES)
  head[0] = 0
  head.writeUInt16LE(length, 1)
  head.writeUInt16LE(MAX_STORED - length, 3)
  return head
}

/** An empty block that brings nothing. */
export const EMPTY_BLOCK: Pieces = [Buffer.from([0, 0, 0, 0xff, 0xff])]

/** The last block, empty, and what the member was: its CRC-32 and its length. */
export function gzipEnd(crc: number, length: number): Pieces {
  const end = Buffer.allocUnsafe(10)
  end[0] = 3
  end[1] = 0
  end.writeInt32LE(crc | 0, 2)
  end.writeUInt32LE(length % 2 ** 32, 6)
  return [end]
}
