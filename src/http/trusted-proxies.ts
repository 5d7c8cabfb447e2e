// Which peers are proxies whose `X-Forwarded-For` is believed.

import { BlockList, isIPv6 } from 'node:net'

/** `proxies`: addresses and networks (`10.0.0.0/8`), checked before. */
export function trustedProxies(proxies: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList()
  for (const proxy of proxies) {
    const [address = '', prefix] = proxy.split('/')
    list.addSubnet(address, prefix === undefined ? bitsOf(address) : Number(prefix), familyOf(address))
  }
  return address => address !== undefined && list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

function bitsOf(address: string): number {
  return isIPv6(address) ? 128 : 32
}
