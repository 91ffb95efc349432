import ipaddr from 'ipaddr.js'
import { isWithin, type AddressRange } from '../lib/addresses.ts'
import { sameSecret, type Secret } from '../lib/secrets.ts'
import type { Client } from './exchange.ts'

/** The header in which a believed proxy proves itself. */
export const proxyHeader = 'x-sallyport-proxy'

/**
 * Whom a request came from. `X-Forwarded-For` counts only when the connection itself came from a listed proxy that
 * also sent the shared secret; otherwise every forwarded header is somebody's invention.
 * @param header reads a header of the request
 * @param peer the address at the other end of the TCP connection
 */
export function clientOf(
  header: (name: string) => string | null | undefined,
  peer: string | undefined,
  {
    proxies,
    proxySecret,
  }: { readonly proxies: readonly AddressRange[]; readonly proxySecret: Secret | undefined },
): Client {
  const direct = { address: peer, proxied: false }
  const presented = header(proxyHeader)
  if (!peer || !presented || !proxySecret || !within(peer, proxies)) return direct
  if (!sameSecret(presented, proxySecret.reveal())) return direct
  const hops = (header('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim())
  const nearest = hops.findLast((hop) => ipaddr.isValid(hop) && !within(hop, proxies))
  return { address: nearest ?? peer, proxied: true }
}

function within(address: string, ranges: readonly AddressRange[]): boolean {
  return ipaddr.isValid(address) && isWithin(ipaddr.process(address).toString(), ranges)
}
