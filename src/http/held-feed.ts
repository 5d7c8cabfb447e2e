// What one feed takes of what its connection may make the hub hold: its names, and the changes that its client has not read.

import type { HeldPiece } from './held-bytes.ts'

export class HeldFeed {
  readonly #piece: HeldPiece
  #names: number
  #changes = 0

  /** The piece holds so many bytes for its names already. */
  constructor(piece: HeldPiece, names: number) {
    this.#piece = piece
    this.#names = names
  }

  /**
   * It has names of so many bytes from now on, and the change as well until the function is called that is returned.
   * Errors: MILLRACE_CONNECTION_FULL.
   */
  change(names: number, change: number): () => void {
    this.#piece.hold(names + this.#changes + change)
    this.#names = names
    this.#changes += change
    return () => {
      this.#changes -= change
      this.#piece.hold(this.#names + this.#changes)
    }
  }
}
