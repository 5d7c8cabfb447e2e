// Counts what code does instead of timing it: how often each of its blocks runs, by V8's precise coverage. A loop that
// grows with what it should not shows in it on any machine, however busy. What the engine does in one call (a sort, a copy) does not.

import { Session } from 'node:inspector/promises'
import { setFlagsFromString } from 'node:v8'

export class Operations {
  readonly #session = new Session()

  /** Blocks are counted in modules that are loaded from here on. */
  async start(): Promise<void> {
    // What the optimizing compilers inline is not counted.
    for (const flag of ['--no-opt', '--no-maglev']) setFlagsFromString(flag)
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** How many blocks the work runs in the files of src whose path contains this text. */
  async of(path: string, work: () => Promise<void> | void): Promise<number> {
    await this.#session.post('Profiler.takePreciseCoverage')
    await work()
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    const ranges = result
      .filter(({ url }) => url.includes('/src/') && url.includes(path))
      .flatMap(({ functions }) => functions.flatMap(each => each.ranges))
    return ranges.reduce((sum, range) => sum + range.count, 0)
  }
}
