import ipaddr from 'ipaddr.js'

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an IP address belongs to the public internet. Everything with a special meaning does not: private, loopback,
 * link-local, shared, reserved, multicast, and every IPv6 form that carries an IPv4 address (IANA special-purpose
 * registries, RFC 6890). Of IPv6 only 2000::/3 has been handed out as global unicast (RFC 4291 §2.4), so nothing else counts.
 * @throws Error when it is not an IP address
 */
export function isPublicAddress(address: string): boolean {
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(globalUnicast)
}

/**
 * Whether an IP address is this machine's own: 127.0.0.0/8 or ::1.
 * @throws Error when it is not an IP address
 */
export function isLoopbackAddress(address: string): boolean {
  return ipaddr.parse(address).range() === 'loopback'
}
