// Runs in each page of the browser tests: follows streams with the browser's own EventSource, and fetches.
// `deliver` leads back to the test.

const OUR_TYPES = [
  'open',
  'error',
  'message',
  'millrace:open',
  'millrace:gap',
  'millrace:reset',
  'millrace:bye',
]

globalThis.follow = (name, url, types = [], init = {}) => {
  const source = new EventSource(url, init)
  for (const each of [...OUR_TYPES, ...types]) {
    source.addEventListener(each, ({ type, data, lastEventId }) => {
      globalThis.deliver({ name, type, data, id: lastEventId, readyState: source.readyState })
    })
  }
}

globalThis.request = async (url, init) => {
  try {
    const response = await fetch(url, init)
    return { status: response.status, type: response.type, text: await response.text() }
  } catch (error) {
    return { error: String(error) }
  }
}
