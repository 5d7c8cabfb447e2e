// Loaded before everything else (`node --import`): a clock that is off by CLOCK_SHIFT_MS, until the parent says otherwise.

let shiftMs = Number(process.env['CLOCK_SHIFT_MS'])
const realNow = Date.now.bind(Date)
Date.now = () => realNow() + shiftMs

process.on('message', milliseconds => {
  shiftMs = Number(milliseconds)
  process.send?.('shifted')
})
process.channel?.unref()
