// One line at the top of the page while the hub is away. The client comes back by itself, and misses nothing.

const TEXTS = {
  waiting: 'The connection is lost. Trying again…',
  offline: 'You are offline. Waiting for the network…',
}

/** `hub` is what `connect` returned. */
export function showStatus(hub) {
  const banner = document.createElement('p')
  banner.className = 'banner'
  banner.setAttribute('role', 'status')
  document.body.append(banner)
  hub.onStatus(({ state }) => {
    // `connecting` comes between two attempts too: what was said stays until it is open.
    if (state === 'connecting') return
    banner.textContent = TEXTS[state] ?? ''
    if (state === 'closed') banner.remove()
  })
}
