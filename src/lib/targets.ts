import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isLoopbackAddress, isMetadataAddress, isPublicAddress, isWithin } from './addresses.ts'
import type { AddressRange } from './addresses.ts'

/** A URL that may be asked, and the only addresses to dial for it. */
export interface Target {
  readonly url: URL
  /** Never empty. */
  readonly addresses: readonly string[]
}

/** A URL that may not be asked. The message says why, for the log. */
export class BlockedTargetError extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'BlockedTargetError'
  }
}

/** Which URLs may be asked. */
export interface TargetPolicy {
  /** Development only: loopback addresses may be asked too, by name or number, over http or https. */
  readonly allowLoopback: boolean
  /** Ranges that may be asked though they are not public, by name and over https like the rest. @default none */
  readonly allow?: readonly AddressRange[] | undefined
  /** Every address of a host name. @default DNS */
  readonly resolve?: (host: string) => Promise<readonly string[]>
}

/** One thing that a URL may not have. */
type Fault = readonly [why: string, has: (url: URL) => boolean]

/** What no URL may have. An internationalized name can look like another, so it is refused in every spelling. */
const faults: readonly Fault[] = [
  ['a scheme that is not HTTP', (url) => !['https:', 'http:'].includes(url.protocol)],
  ['user information', (url) => url.username !== '' || url.password !== ''],
  ['a fragment', (url) => url.href.includes('#')],
  ['an internationalized name', (url) => /(^|\.)xn--/.test(url.hostname)],
  ['a name with a final dot', (url) => url.hostname.endsWith('.')],
]

/** What a URL of the public internet may not have either. A certificate vouches for a name, not for a number. */
const publicFaults: readonly Fault[] = [
  ['a scheme that is not https', (url) => url.protocol !== 'https:'],
  ['an address for a name', (url) => isIP(hostOf(url)) !== 0],
]

const maxLength = 2048

/**
 * Judges a URL and resolves its name, once. Refused unless all its addresses are public, or all in ranges the operator
 * allows: a name with a public and a private address is an attack, not an accident. Names with faults are never looked up.
 * @throws BlockedTargetError, or what `resolve` throws
 */
export async function vetTarget(input: string | URL, policy: TargetPolicy): Promise<Target> {
  const { allowLoopback, allow = [], resolve = resolveByDns } = policy
  const url = parseUrl(input)
  refuse(url, faults)
  if (!allowLoopback) refuse(url, publicFaults)

  const host = hostOf(url)
  const addresses = isIP(host) === 0 ? await resolve(host) : [host]
  if (addresses.length === 0) throw new Error('the name has no address')
  if (allowLoopback && addresses.every(isLoopbackAddress)) return { url, addresses }

  refuse(url, publicFaults)
  if (addresses.every(isPublicAddress)) return { url, addresses }
  // A metadata service gives its credentials to whoever can make us ask, so no range opens the way to it.
  const allowed = (address: string) => isWithin(address, allow) && !isMetadataAddress(address)
  if (addresses.every(allowed)) return { url, addresses }
  throw new BlockedTargetError('an address not public')
}

function parseUrl(input: string | URL): URL {
  const text = String(input)
  if (text.length > maxLength) throw new BlockedTargetError('too many characters')
  // The URL parser would quietly drop or rewrite these (WHATWG URL §4.4): control characters, blanks, backslashes.
  if (!/^[!-[\]-~]+$/.test(text)) throw new BlockedTargetError('a character not allowed in a URL')
  const url = URL.parse(text)
  if (!url) throw new BlockedTargetError('not an absolute URL')
  return url
}

function refuse(url: URL, table: readonly Fault[]): void {
  const fault = table.find(([, has]) => has(url))
  if (fault) throw new BlockedTargetError(fault[0])
}

/** The host without the brackets that a URL puts around an IPv6 address. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/** Asks the name servers directly: `getaddrinfo` would let a slow name server hold the threads that all others need. */
async function resolveByDns(host: string): Promise<readonly string[]> {
  // RFC 6761 §6.3: never asked of a name server.
  if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1', '::1']
  const resolver = new Resolver({ timeout: 1500, tries: 2 })
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
}
