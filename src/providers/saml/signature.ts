import { hash, type KeyObject } from 'node:crypto'
import { ExclusiveCanonicalization, SignedXml } from 'xml-crypto'
import { sameBytes } from '../../lib/secrets.ts'
import { refused } from '../faults.ts'
import { ownAlgorithm, signatureAlgorithms, verifyBytes } from './algorithms.ts'
import { signatureGrammar } from './grammar.ts'
import { childOf, fromBase64, readMessage, type Grammar, type XmlElement } from './xml.ts'

const exclusive = 'http://www.w3.org/2001/10/xml-exc-c14n#'
const enveloped = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'
const sha256 = 'http://www.w3.org/2001/04/xmlenc#sha256'

/** What a reference may be digested with. */
const digests: ReadonlyMap<string, 'sha256' | 'sha384' | 'sha512'> = new Map([
  [sha256, 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
])

/**
 * Verifies the signature that stands in `signed`, and answers `signed` anew: read from the bytes that were signed, so
 * that nothing else in the message can be taken for it.
 * @param signed an element with a signature of its own
 * @param keys the provider's; what the message says of its key is not looked at
 * @throws AppError `sso_failed`, its reason `saml_unsigned`, `saml_algorithm`, `saml_reference` or `saml_signature`
 */
export function readSigned(
  signed: XmlElement,
  keys: readonly KeyObject[],
  grammar: Grammar,
): XmlElement {
  const signature = childOf(signed, 'ds:Signature')
  if (!signature) throw refused('saml_unsigned')
  const { digestMethod, digest, prefixes } = readReference(signature, signed, keys)
  const bytes = canonicalWithout(signature.node, signed.node, prefixes)
  const computed = hash(digests.get(digestMethod)!, bytes, 'buffer')
  if (!sameBytes(computed, digest)) throw refused('saml_signature: digest')
  return readMessage(Buffer.from(bytes), grammar)
}

interface Reference {
  readonly digestMethod: string
  readonly digest: Buffer
  /** Prefixes that count as used (Exclusive XML Canonicalization §3). */
  readonly prefixes: readonly string[]
}

/**
 * What a signature says of the one thing it is over: its own element. Read from the bytes that the signature's value is
 * over, once that is found to be right and everything to be as SAML wants it (SAML Core §5.4).
 */
function readReference(
  signature: XmlElement,
  signed: XmlElement,
  keys: readonly KeyObject[],
): Reference {
  const asWritten = childOf(signature, 'ds:SignedInfo')!
  const bytes = canonical(asWritten.node)
  const info = readMessage(Buffer.from(bytes), signatureGrammar)
  const reference = childOf(info, 'ds:Reference')!
  const [first, second] = childOf(reference, 'ds:Transforms')!.children
  const method = algorithmOf(childOf(info, 'ds:SignatureMethod')!)
  const digestMethod = algorithmOf(childOf(reference, 'ds:DigestMethod')!)
  const fits =
    algorithmOf(childOf(info, 'ds:CanonicalizationMethod')!) === exclusive &&
    algorithmOf(first!) === enveloped &&
    algorithmOf(second!) === exclusive
  if (!fits || !signatureAlgorithms.has(method) || !digests.has(digestMethod))
    throw refused('saml_algorithm')
  const id = signed.attributes.get('ID')
  if (!id || reference.attributes.get('URI') !== `#${id}`) throw refused('saml_reference')
  const value = bytesIn(childOf(signature, 'ds:SignatureValue')!)
  if (!keys.some((key) => verifyBytes(method, Buffer.from(bytes), value, key)))
    throw refused('saml_signature')
  const listed = childOf(second!, 'ec:InclusiveNamespaces')?.attributes.get('PrefixList') ?? ''
  return {
    digestMethod,
    digest: bytesIn(childOf(reference, 'ds:DigestValue')!),
    prefixes: listed.split(/\s+/).filter(Boolean),
  }
}

function algorithmOf({ attributes }: XmlElement): string {
  return attributes.get('Algorithm') ?? ''
}

function bytesIn({ text }: XmlElement): Buffer {
  return fromBase64(text.replace(/[ \t\r\n]/g, ''))
}

/** The canonical form of an element without the signature in it. */
function canonicalWithout(signature: Node, element: Element, prefixes: readonly string[]): string {
  const copy = element.cloneNode(true) as Element
  copy.removeChild(copy.childNodes[Array.from(element.childNodes).indexOf(signature as ChildNode)]!)
  return canonical(copy, prefixes, namespacesAround(element))
}

function canonical(
  element: Element,
  prefixes: readonly string[] = [],
  around: readonly Namespace[] = [],
): string {
  const text = new ExclusiveCanonicalization().process(element, {
    inclusiveNamespacesPrefixList: [...prefixes],
    ancestorNamespaces: [...around],
  })
  // A canonical form of nothing would be signed by whatever signs nothing.
  if (typeof text !== 'string' || text === '') throw refused('saml_signature')
  return text
}

interface Namespace {
  readonly prefix: string
  readonly namespaceURI: string
}

/** The namespaces that are declared around an element, the nearest of each prefix. */
function namespacesAround(element: Element): readonly Namespace[] {
  const found = new Map<string, string>()
  for (let at = element.parentNode as Element | null; at?.attributes; at = at.parentNode as Element)
    for (const { prefix, localName, value } of Array.from(at.attributes))
      if (prefix === 'xmlns' && !found.has(localName)) found.set(localName, value)
  return Array.from(found, ([prefix, namespaceURI]) => ({ prefix, namespaceURI }))
}

/**
 * A message of ours with a signature after its issuer, which is where the schema wants it.
 * @param xml its root has an `ID`, and its first child is the issuer
 */
export function signMessage(
  xml: string,
  { privateKey, certificate }: { privateKey: KeyObject; certificate: string },
): string {
  const signer = new SignedXml({
    privateKey,
    publicCert: certificate,
    signatureAlgorithm: ownAlgorithm,
    canonicalizationAlgorithm: exclusive,
  })
  signer.addReference({
    xpath: '/*',
    transforms: [enveloped, exclusive],
    digestAlgorithm: sha256,
  })
  const location = { reference: '/*/*[1]', action: 'after' } as const
  signer.computeSignature(xml, { prefix: 'ds', location })
  return signer.getSignedXml()
}
