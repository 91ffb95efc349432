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

/** An address range: the network and how many of its bits count. */
export type AddressRange = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Reads one address or CIDR range; undefined when it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text)
  if (!ipaddr.isValid(text)) return undefined
  const address = ipaddr.parse(text)
  return [address, address.toByteArray().length * 8]
}

/**
 * Whether an address lies in one of the ranges. An IPv4 address inside an IPv6 one is an IPv6 address.
 * @throws Error when it is not an IP address
 */
export function isWithin(address: string, ranges: readonly AddressRange[]): boolean {
  const parsed = ipaddr.parse(address)
  return ranges.some(
    ([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits),
  )
}

/** Networks that companies number as they like: RFC 1918, RFC 6598, RFC 4193. */
const privateNetworks = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
].map((text) => ipaddr.parseCIDR(text))

/** Whether a range lies within one of the private networks as a whole. */
export function isPrivateRange([network, bits]: AddressRange): boolean {
  return privateNetworks.some((outer) => bits >= outer[1] && isWithin(network.toString(), [outer]))
}

/** Where clouds hand a machine its credentials; most lie in link-local 169.254.0.0/16, some in private networks. */
const metadataServices = [
  '169.254.0.0/16',
  '100.100.100.200/32',
  'fd00:ec2::/32',
  'fd00:c1::a9fe:a9fe/128',
  'fd20:ce::254/128',
].map((text) => ipaddr.parseCIDR(text))

/**
 * Whether a cloud's metadata service answers at an IP address.
 * @throws Error when it is not an IP address
 */
export function isMetadataAddress(address: string): boolean {
  return isWithin(address, metadataServices)
}
