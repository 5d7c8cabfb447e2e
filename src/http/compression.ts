// Which event streams are compressed, and how much that has saved.

import { GzipStream, type GzipTotals } from '../gzip/gzip-stream.ts'
import { patternsOverlap, type Selector, type TopicPattern } from '../topic-pattern.ts'
import { acceptsGzip } from './content-coding.ts'

export interface CompressionOptions {
  readonly compression: boolean
  /** Streams that may carry events of these topics are not compressed. */
  readonly compressionExclude: readonly TopicPattern[]
}

export class Compression {
  readonly totals: GzipTotals = { plainBytes: 0, sentBytes: 0 }
  readonly #options: CompressionOptions

  constructor(options: CompressionOptions) {
    this.#options = options
  }

  /** For a new stream of these topics; undefined: it is not to be compressed. */
  streamFor(acceptEncoding: string | undefined, selector: Selector): GzipStream | undefined {
    const isCompressed = this.#options.compression && acceptsGzip(acceptEncoding) && !this.excludes(selector)
    return isCompressed ? new GzipStream(this.totals) : undefined
  }

  /** Whether it may carry what must not be compressed. */
  excludes({ topics, patterns }: Selector): boolean {
    const names = [...topics, ...patterns]
    return this.#options.compressionExclude.some(excluded =>
      names.some(name => patternsOverlap(excluded, name)),
    )
  }
}
