// Which client an address stands for, where clients are counted.

import { isIPv6 } from 'node:net'

// As some proxies write it into X-Forwarded-For: each connection of a client has another port.
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+)|\[(.+)\]):\d+$/

/** Whoever has one IPv6 address has the other 2^64 of its network too. */
export function networkOf(text: string): string {
  const [, ipv4, ipv6] = WITH_PORT.exec(text) ?? []
  const address = ipv4 ?? ipv6 ?? text
  // IPv4 in an IPv6 socket.
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace('::ffff:', '')
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter(group => group !== '')
  if (tail === undefined) return groups.slice(0, 4).join(':')
  const rest = tail.split(':').filter(group => group !== '')
  const zeros = Array.from({ length: 8 - groups.length - rest.length }, () => '0')
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':')
}
