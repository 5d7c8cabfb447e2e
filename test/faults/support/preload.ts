// Loaded into the hub before everything else (`node --import`): it ends with the test, even if that is killed, and where
// CLOCK_SHIFT_MS is set its clock is off by that, until the parent says otherwise.

process.once('disconnect', () => process.exit())
process.channel?.unref()

const given = process.env['CLOCK_SHIFT_MS']
if (given !== undefined) {
  let shiftMs = Number(given)
  const realNow = Date.now.bind(Date)
  Date.now = () => realNow() + shiftMs
  process.on('message', milliseconds => {
    shiftMs = Number(milliseconds)
    process.send?.('shifted')
  })
  process.channel?.unref()
}
