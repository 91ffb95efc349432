import type { KeyObject } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import { decodeUtf8 } from '../../lib/json.ts'
import { isEndpoint } from '../endpoint.ts'
import { printable } from '../faults.ts'
import { readCertificate, weaknessOf } from './certificate.ts'
import type { SamlBinding } from './config.ts'
import { metadataGrammar } from './metadata-grammar.ts'
import { readSigned } from './signature.ts'
import { childOf, childrenOf, readMessage, type XmlElement } from './xml.ts'

/** What a provider says of itself, in the shape of a connection's settings. */
export interface PublishedIdp {
  readonly entityId: string
  readonly ssoUrl: string
  readonly ssoBinding: SamlBinding
  readonly sloUrl?: string
  /** Where it wants answers, if elsewhere (SAML Metadata §2.2.2). */
  readonly sloResponseUrl?: string
  /** Base64 of DER. */
  readonly certificates: readonly string[]
}

/** What a metadata document turned out to be. */
export interface ReadMetadata {
  /** Undefined where a problem keeps it from being used. */
  readonly idp?: PublishedIdp
  /** Plain sentences for administrators; empty when all is well. */
  readonly problems: readonly string[]
  /** What is worth knowing, and keeps nothing from working. */
  readonly notes: readonly string[]
  /** The identity providers that it describes, where there are several to choose from; at most fifty. */
  readonly choices: readonly string[]
  /** Whether one of the trusted keys has signed what was read. */
  readonly signed: boolean
  /** When it ends; undefined: it does not say. */
  readonly validUntil?: Date
  /** How long it may be kept, in milliseconds; undefined: it does not say. */
  readonly cacheFor?: number
}

/** How to read a document. */
export interface ReadingMetadata {
  readonly now: Date
  /** Which of several identity providers. @default the only one */
  readonly entityId?: string | undefined
  /** Keys that are known to be the provider's. @default none */
  readonly trusted?: readonly KeyObject[]
}

const saml2 = 'urn:oasis:names:tc:SAML:2.0:protocol'
const mostCertificates = 10

/** The bindings that are spoken here, the better one first. */
const bindings: readonly (readonly [SamlBinding, string])[] = [
  ['redirect', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect'],
  ['post', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'],
]

/**
 * Reads the metadata of an identity provider (SAML Metadata §2.4.3). Nobody is asked and nothing is thrown: what is wrong
 * is in `problems`.
 */
export function readMetadata(
  bytes: Uint8Array,
  { now, entityId, trusted = [] }: ReadingMetadata,
): ReadMetadata {
  const nothing = { notes: [], choices: [], signed: false }
  let read: ReturnType<typeof open>
  try {
    read = open(bytes, trusted)
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    return { ...nothing, problems: [unreadable(thrown.reason)] }
  }
  const { root, signed } = read
  const found = findProviders(root, [])
  const choices = found.map(({ entityId: id }) => id)
  const wanted = entityId === undefined ? found : found.filter((one) => one.entityId === entityId)
  const [provider, ...more] = wanted
  if (!provider || more.length > 0) {
    const problems = [whichOne(choices, entityId)]
    return { ...nothing, signed, problems, choices: choices.slice(0, 50).map(shown) }
  }
  const { validUntil, cacheFor } = lifeOf(provider.path)
  const problems: string[] = []
  const notes: string[] = []
  if (validUntil && validUntil <= now)
    problems.push(`This metadata was valid until ${dayOf(validUntil)}. Ask for a newer one.`)
  const idp = describe(provider, { problems, notes, now })
  return {
    ...(problems.length === 0 && idp && { idp }),
    problems,
    notes,
    choices: [],
    signed,
    ...(validUntil && { validUntil }),
    ...(cacheFor !== undefined && { cacheFor }),
  }
}

/** Comments say nothing, and many providers' own metadata is full of them; signatures do not cover them either. */
const comment = /<!--(?:[^-]|-[^-])*-->/g

function open(
  bytes: Uint8Array,
  trusted: readonly KeyObject[],
): { root: XmlElement; signed: boolean } {
  const root = readMessage(withoutComments(bytes), metadataGrammar)
  const signed = trusted.length > 0 && signedRoot(root, trusted)
  return signed ? { root: signed, signed: true } : { root, signed: false }
}

/** Nor does a byte order mark say anything, which some editors put before a file. */
function withoutComments(bytes: Uint8Array): Uint8Array {
  try {
    return Buffer.from(
      decodeUtf8(bytes)
        .replace(/^\ufeff/, '')
        .replace(comment, ''),
    )
  } catch {
    // The reader says what is wrong.
    return bytes
  }
}

/** The document as it was signed; false where it was not, or not by any of these keys. */
function signedRoot(root: XmlElement, keys: readonly KeyObject[]): XmlElement | false {
  try {
    return readSigned(root, keys, metadataGrammar)
  } catch (thrown) {
    if (thrown instanceof AppError) return false
    throw thrown
  }
}

interface Found {
  readonly entityId: string
  readonly descriptor: XmlElement
  /** Everything that it stands in, and itself. */
  readonly path: readonly XmlElement[]
}

/** Every entity that is an identity provider for SAML 2.0. */
function findProviders(element: XmlElement, above: readonly XmlElement[]): readonly Found[] {
  const path = [...above, element]
  if (element.name === 'md:EntitiesDescriptor')
    return element.children.flatMap((child) => findProviders(child, path))
  if (element.name !== 'md:EntityDescriptor') return []
  return childrenOf(element, 'md:IDPSSODescriptor')
    .filter(({ attributes }) =>
      (attributes.get('protocolSupportEnumeration') ?? '').split(/\s+/).includes(saml2),
    )
    .map((descriptor) => ({
      entityId: element.attributes.get('entityID') ?? '',
      descriptor,
      path: [...path, descriptor],
    }))
}

function whichOne(choices: readonly string[], wanted: string | undefined): string {
  if (choices.length === 0) return 'This describes no identity provider for SAML 2.0.'
  if (wanted === undefined)
    return 'This describes several identity providers. Give the metadata of one, or say which.'
  return choices.includes(wanted)
    ? `This describes “${shown(wanted)}” more than once.`
    : `This does not describe “${shown(wanted)}”, but ${choices.slice(0, 3).map(quote).join(', ')}.`
}

function describe(
  { entityId, descriptor }: Found,
  { problems, notes, now }: { problems: string[]; notes: string[]; now: Date },
): PublishedIdp | undefined {
  if (entityId === '' || entityId.length > 1024)
    problems.push('The provider’s entity ID is missing, or longer than 1024 characters.')
  const sso = endpointOf(descriptor, 'md:SingleSignOnService')
  if (!sso)
    problems.push(
      'There is no address to sign in at: it has to begin with https, and take HTTP-Redirect or HTTP-POST.',
    )
  const certificates = certificatesOf(descriptor, { problems, notes, now })
  const slo = endpointOf(descriptor, 'md:SingleLogoutService', 'redirect')
  if (!slo && childrenOf(descriptor, 'md:SingleLogoutService').length > 0)
    notes.push('Its address for signing out does not take HTTP-Redirect and is not used.')
  if (!sso) return undefined
  return {
    entityId,
    ssoUrl: sso.url,
    ssoBinding: sso.binding,
    ...(slo && { sloUrl: slo.url }),
    ...(slo?.answers && { sloResponseUrl: slo.answers }),
    certificates,
  }
}

function endpointOf(
  descriptor: XmlElement,
  name: string,
  only?: SamlBinding,
): { binding: SamlBinding; url: string; answers: string | undefined } | undefined {
  const all = childrenOf(descriptor, name)
  for (const [binding, uri] of bindings) {
    if (only && binding !== only) continue
    const found = all.find(
      ({ attributes }) =>
        attributes.get('Binding') === uri && isAddress(attributes.get('Location')),
    )
    if (!found) continue
    const answers = found.attributes.get('ResponseLocation')
    return {
      binding,
      url: found.attributes.get('Location')!,
      answers: isAddress(answers) ? answers : undefined,
    }
  }
  return undefined
}

function isAddress(location: string | undefined): boolean {
  return location !== undefined && location.length <= 1000 && isEndpoint(location)
}

/** The certificates that messages may be signed with; of those for encryption nothing is made. */
function certificatesOf(
  descriptor: XmlElement,
  { problems, notes, now }: { problems: string[]; notes: string[]; now: Date },
): readonly string[] {
  const texts = childrenOf(descriptor, 'md:KeyDescriptor')
    .filter(({ attributes }) => (attributes.get('use') ?? 'signing') === 'signing')
    .flatMap((key) => childrenOf(childOf(key, 'ds:KeyInfo')!, 'ds:X509Data'))
    .flatMap((data) => childrenOf(data, 'ds:X509Certificate'))
    .map(({ text }) => text)
  const good: string[] = []
  for (const text of texts) {
    const certificate = readCertificate(text)
    const weakness = certificate ? weaknessOf(certificate) : 'it cannot be read'
    if (!certificate || weakness) {
      notes.push(`A certificate in it is not used: ${weakness}.`)
      continue
    }
    if (certificate.notAfter <= now)
      notes.push(`A certificate in it ran out on ${dayOf(certificate.notAfter)}.`)
    if (!good.includes(certificate.base64)) good.push(certificate.base64)
  }
  if (good.length === 0)
    problems.push('There is no certificate in it that can be used for signing.')
  if (good.length > mostCertificates)
    problems.push(`There are more than ${mostCertificates} certificates in it.`)
  return good
}

/** The strictest of what the element and all that it stands in say of their own time. */
function lifeOf(path: readonly XmlElement[]): { validUntil?: Date; cacheFor?: number } {
  const ends = path
    .map(({ attributes }) => Date.parse(attributes.get('validUntil') ?? ''))
    .filter(Number.isFinite)
  const kept = path
    .map(({ attributes }) => durationOf(attributes.get('cacheDuration') ?? ''))
    .filter((one) => one !== undefined)
  return {
    ...(ends.length > 0 && { validUntil: new Date(Math.min(...ends)) }),
    ...(kept.length > 0 && { cacheFor: Math.min(...kept) }),
  }
}

const duration =
  /^P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,10})(?:\.\d{1,9})?S)?)?$/
const units = [31_536_000, 2_592_000, 86_400, 3600, 60, 1]

/** A duration of XML Schema in milliseconds; years and months are as long as they usually are. */
function durationOf(text: string): number | undefined {
  const parts = duration.exec(text)?.slice(1)
  return parts?.reduce((sum, part, i) => sum + Number(part ?? 0) * units[i]! * 1000, 0)
}

function unreadable(reason: string | undefined): string {
  if (reason === 'saml_xml: too large')
    return 'This is larger than 256 KiB. Give one provider’s metadata only.'
  return `This cannot be read as metadata (${reason ?? 'unknown'}).`
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function shown(text: string): string {
  return printable(text, 200)
}

function quote(text: string): string {
  return `“${shown(text)}”`
}
