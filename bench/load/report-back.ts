// What every load generator does: take its options from whoever started it, and send back what it found.

/** Options are JSON in the first argument; the result goes to the parent as a message. */
export async function reportBack(run: (options: never) => Promise<object>): Promise<void> {
  // Whoever started this is gone: end with it.
  process.on('disconnect', () => process.exit(1))
  process.send!(await run(JSON.parse(process.argv[2]!) as never))
  process.disconnect()
}
