import type { KeyObject } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { decodeUtf8 } from '../../lib/json.ts'
import { refused } from '../faults.ts'
import { ownAlgorithm, signBytes, signatureAlgorithms, verifyBytes } from './algorithms.ts'

/** Whether a message asks or answers: the name of its parameter. */
export type MessageName = 'SAMLRequest' | 'SAMLResponse'

/** A message on its way in the query of an address. */
export interface RedirectMessage {
  readonly name: MessageName
  readonly xml: string
  /** What the receiver is to send back as it is. */
  readonly relayState?: string | undefined
}

/** The largest message, inflated, in bytes. */
const largest = 256 * 1024

/**
 * An address with a message in its query (SAML Bindings §3.4).
 * @param key signs it, with RSA and SHA-256. @default it goes unsigned
 */
export function toRedirect(
  destination: string,
  { name, xml, relayState }: RedirectMessage,
  key?: KeyObject,
): URL {
  const pairs: [string, string][] = [[name, deflateRawSync(xml).toString('base64')]]
  if (relayState !== undefined) pairs.push(['RelayState', relayState])
  if (key) pairs.push(['SigAlg', ownAlgorithm])
  let query = pairs.map(([of, value]) => `${of}=${encode(value)}`).join('&')
  if (key) query += `&Signature=${encode(signBytes(Buffer.from(query), key).toString('base64'))}`
  const url = new URL(destination)
  url.hash = ''
  return new URL(`${url.href}${url.search ? '&' : '?'}${query}`)
}

/** Percent-encodes all that an address could spell otherwise: the signature is over this very spelling. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

const parameters = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature'] as const
type Parameter = (typeof parameters)[number]

/**
 * Reads a message out of a query, once one of `keys` is found to have signed it; without a signature there is none.
 * The signature is over the octets as they came (SAML Bindings §3.4.4.1), so those are what is read.
 * @param search the query as it was sent, with or without `?`
 * @throws AppError `sso_failed`
 */
export function fromRedirect(search: string, keys: readonly KeyObject[]): RedirectMessage {
  const sent = split(search)
  const name = messageName(sent)
  const algorithm = valueOf(sent, 'SigAlg')
  const signature = valueOf(sent, 'Signature')
  if (algorithm === undefined || signature === undefined) throw refused('saml_unsigned')
  if (!signatureAlgorithms.has(algorithm)) throw refused('saml_signature_algorithm')
  const signed = [name, 'RelayState', 'SigAlg']
    .filter((of) => sent.has(of as Parameter))
    .map((of) => `${of}=${sent.get(of as Parameter)}`)
    .join('&')
  const bytes = fromBase64(signature)
  if (!keys.some((key) => verifyBytes(algorithm, Buffer.from(signed), bytes, key)))
    throw refused('saml_signature')
  return {
    name,
    xml: inflate(fromBase64(valueOf(sent, name)!)),
    relayState: valueOf(sent, 'RelayState'),
  }
}

/** Each parameter as it was spelled. One that comes twice could be read otherwise than it was signed. */
function split(search: string): ReadonlyMap<Parameter, string> {
  const sent = new Map<Parameter, string>()
  for (const pair of search.replace(/^\?/, '').split('&')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at) as Parameter
    if (at < 0 || !parameters.includes(name)) continue
    if (sent.has(name)) throw refused('saml_parameter_repeated')
    sent.set(name, pair.slice(at + 1))
  }
  return sent
}

function messageName(sent: ReadonlyMap<Parameter, string>): MessageName {
  if (sent.has('SAMLRequest') === sent.has('SAMLResponse')) throw refused('saml_message_missing')
  return sent.has('SAMLRequest') ? 'SAMLRequest' : 'SAMLResponse'
}

function valueOf(sent: ReadonlyMap<Parameter, string>, name: Parameter): string | undefined {
  try {
    const raw = sent.get(name)
    return raw === undefined ? undefined : decodeURIComponent(raw.replaceAll('+', ' '))
  } catch (cause) {
    throw refused('saml_encoding', cause)
  }
}

function fromBase64(text: string): Buffer {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
    throw refused('saml_encoding')
  return Buffer.from(text, 'base64')
}

function inflate(bytes: Buffer): string {
  try {
    return decodeUtf8(inflateRawSync(bytes, { maxOutputLength: largest }))
  } catch (cause) {
    throw refused('saml_encoding', cause)
  }
}
