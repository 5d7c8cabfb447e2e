// Splits bytes into lines, a chunk at a time; a line may span any number of chunks.

import { Failure } from './failure.ts'

export interface InputLine {
  /** Without its line end. */
  readonly text: string
  /** Counted from 1. */
  readonly number: number
}

// The most that a hub can be told to take as one event.
const MAX_LINE_LENGTH = 268_435_456

/** Yields the lines that each chunk completes. Lines end at LF or CRLF; the last one needs no end. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<InputLine[]> {
  const splitter = new LineSplitter()
  for await (const chunk of chunks) yield splitter.push(chunk)
  yield splitter.end()
}

class LineSplitter {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  // The pieces of a line that has no end yet; joined once, as joining at each chunk would be quadratic.
  #pieces: string[] = []
  #piecesLength = 0
  #count = 0

  push(chunk: Uint8Array): InputLine[] {
    const [head = '', ...rest] = this.#decode(chunk).split('\n')
    this.#keep(head)
    return rest.map(piece => {
      const line = this.#line()
      this.#keep(piece)
      return line
    })
  }

  end(): InputLine[] {
    this.#keep(this.#decode(undefined))
    return this.#piecesLength === 0 ? [] : [this.#line()]
  }

  #decode(chunk: Uint8Array | undefined): string {
    try {
      return chunk === undefined ? this.#decoder.decode() : this.#decoder.decode(chunk, { stream: true })
    } catch {
      throw new Failure(`the input is not UTF-8, in or after line ${this.#count + 1}; events are text`)
    }
  }

  #keep(piece: string): void {
    this.#pieces.push(piece)
    this.#piecesLength += piece.length
    if (this.#piecesLength > MAX_LINE_LENGTH) {
      throw new Failure(`line ${this.#count + 1} is longer than ${MAX_LINE_LENGTH} characters`)
    }
  }

  #line(): InputLine {
    const text = this.#pieces.join('')
    this.#pieces = []
    this.#piecesLength = 0
    this.#count++
    return { text: text.endsWith('\r') ? text.slice(0, -1) : text, number: this.#count }
  }
}
