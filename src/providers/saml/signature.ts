import { hash, type KeyObject } from 'node:crypto'
import { SignedXml, type HashAlgorithm, type SignatureAlgorithm } from 'xml-crypto'
import { refused } from '../faults.ts'
import { ownAlgorithm, signatureAlgorithms, verifyBytes } from './algorithms.ts'
import { childOf, readMessage, type Grammar, type XmlElement, type XmlMessage } from './xml.ts'

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
 * @param signed an element of `message` with a signature of its own
 * @param keys the provider's; what the message says of its key is not looked at
 * @throws AppError `sso_failed`, its reason `saml_algorithm`, `saml_reference` or `saml_signature`
 */
export function readSigned(
  { source }: XmlMessage,
  signed: XmlElement,
  keys: readonly KeyObject[],
  grammar: Grammar,
): XmlElement {
  const signature = childOf(signed, 'ds:Signature')
  if (!signature) throw refused('saml_unsigned')
  const { signatureMethod, digestMethod } = readMethods(
    signature,
    signed.attributes.get('ID') ?? '',
  )
  const verifier = new SignedXml({ publicCert: 'unused', getCertFromKeyInfo: () => null })
  const { [exclusive]: canonicalize, [enveloped]: withoutSignature } =
    verifier.CanonicalizationAlgorithms
  // Nothing else can be found by name, whatever the library would offer.
  verifier.CanonicalizationAlgorithms = {
    [exclusive]: canonicalize!,
    [enveloped]: withoutSignature!,
  }
  verifier.HashAlgorithms = { [digestMethod]: digestWith(digestMethod) }
  verifier.SignatureAlgorithms = { [signatureMethod]: verifyWith(signatureMethod, keys) }
  const [bytes, ...more] = check(verifier, signature, source)
  if (!bytes || more.length > 0) throw refused('saml_signature')
  const { root } = readMessage(Buffer.from(bytes), grammar)
  if (root.name !== signed.name || root.attributes.get('ID') !== signed.attributes.get('ID'))
    throw refused('saml_reference')
  return root
}

/** The algorithms, once everything but the numbers is found to be as SAML wants it (SAML Core §5.4). */
function readMethods(
  signature: XmlElement,
  id: string,
): { signatureMethod: string; digestMethod: string } {
  const info = childOf(signature, 'ds:SignedInfo')!
  const reference = childOf(info, 'ds:Reference')!
  const transforms = childOf(reference, 'ds:Transforms')!.children.map(algorithmOf)
  const signatureMethod = algorithmOf(childOf(info, 'ds:SignatureMethod')!)
  const digestMethod = algorithmOf(childOf(reference, 'ds:DigestMethod')!)
  const canonicalization = algorithmOf(childOf(info, 'ds:CanonicalizationMethod')!)
  const fits =
    canonicalization === exclusive && transforms.join(' ') === `${enveloped} ${exclusive}`
  if (!fits || !signatureAlgorithms.has(signatureMethod) || !digests.has(digestMethod))
    throw refused('saml_algorithm')
  if (id === '' || reference.attributes.get('URI') !== `#${id}`) throw refused('saml_reference')
  return { signatureMethod, digestMethod }
}

function algorithmOf({ attributes }: XmlElement): string {
  return attributes.get('Algorithm') ?? ''
}

function check(verifier: SignedXml, signature: XmlElement, source: string): readonly string[] {
  try {
    verifier.loadSignature(signature.node)
    return verifier.checkSignature(source) ? verifier.getSignedReferences() : []
  } catch {
    // Its messages quote the message.
    return []
  }
}

function digestWith(uri: string): new () => HashAlgorithm {
  return class {
    getAlgorithmName = () => uri
    getHash = (text: string) => hash(digests.get(uri)!, text, 'base64')
  }
}

function verifyWith(uri: string, keys: readonly KeyObject[]): new () => SignatureAlgorithm {
  return class {
    getAlgorithmName = () => uri
    getSignature = (): never => {
      throw new TypeError('This only verifies')
    }
    verifySignature = (text: string, _key: unknown, value: string) =>
      keys.some((key) => verifyBytes(uri, Buffer.from(text), Buffer.from(value, 'base64'), key))
  } as unknown as new () => SignatureAlgorithm
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
