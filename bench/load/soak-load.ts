// The load of bench/soak.ts, in a process of its own: publishers at a steady rate, and readers that come and go.
// Takes its options as JSON in the first argument and sends a SoakResult to its parent.

import { reportBack } from './report-back.ts'
import { SoakPublishers } from './soak-publishers.ts'
import { runSoakReader, type SoakAccount } from './soak-reader.ts'
import type { Target } from './subscribers.ts'

export interface SoakOptions extends Omit<Target, 'path'> {
  readonly forMs: number
  readonly rate: number
  readonly eventBytes: number
  readonly readers: number
}

export interface SoakResult extends SoakAccount {
  readonly published: number
  /** Publishes that were not answered with 201. */
  readonly unpublished: number
}

await reportBack(run)

async function run(options: SoakOptions): Promise<SoakResult> {
  const until = performance.now() + options.forMs
  const publishers = new SoakPublishers(options.rate, options.eventBytes)
  const account: SoakAccount = {
    connections: 0,
    streams: 0,
    resumed: 0,
    received: 0,
    gaps: 0,
    refused: 0,
    faultCount: 0,
    faults: [],
  }
  const readers = Array.from({ length: options.readers }, () => runSoakReader(options, until, account))
  await Promise.all([publishers.run(options, until), ...readers])
  const faults = account.faults.slice(0, 10)
  return { ...account, faults, published: publishers.published, unpublished: publishers.refused }
}
