import { escapeXml } from './escape.ts'
import type { SamlAddresses } from './saml.ts'

/** What our metadata for one connection says. */
export interface OwnMetadata {
  readonly addresses: SamlAddresses
  /** Base64 of DER: the one in use first, then the one to come. */
  readonly certificates: readonly string[]
  readonly signsRequests: boolean
  /** URIs of the forms of NameID that are wanted, the best first. */
  readonly nameIdFormats: readonly string[]
}

/** The media type of metadata (SAML Metadata, appendix A). */
export const metadataType = 'application/samlmetadata+xml'

/** Our metadata for one connection's provider (SAML Metadata §2.4.4). It holds nothing that is not public. */
export function writeMetadata(metadata: OwnMetadata): string {
  const { addresses, certificates, signsRequests, nameIdFormats } = metadata
  const { entityId, acs, slo } = addresses
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${escapeXml(entityId)}">`,
    `  <md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="${signsRequests}" WantAssertionsSigned="true">`,
    ...certificates.map(keyDescriptor),
    service('SingleLogoutService', 'HTTP-Redirect', slo),
    service('SingleLogoutService', 'HTTP-POST', slo),
    ...nameIdFormats.map((uri) => `    <md:NameIDFormat>${escapeXml(uri)}</md:NameIDFormat>`),
    service('AssertionConsumerService', 'HTTP-POST', acs, ' index="0" isDefault="true"'),
    '  </md:SPSSODescriptor>',
    '</md:EntityDescriptor>',
    '',
  ].join('\n')
}

/** Without `use`: the same key signs, and opens what is encrypted to us. */
function keyDescriptor(certificate: string): string {
  return [
    '    <md:KeyDescriptor>',
    '      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>',
    `        <ds:X509Certificate>${certificate}</ds:X509Certificate>`,
    '      </ds:X509Data></ds:KeyInfo>',
    ...encryption.map((uri) => `      <md:EncryptionMethod Algorithm="${uri}"/>`),
    '    </md:KeyDescriptor>',
  ].join('\n')
}

/** What may be used to encrypt to us. */
const encryption = [
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
]

function service(name: string, binding: string, location: string, rest = ''): string {
  return `    <md:${name} Binding="urn:oasis:names:tc:SAML:2.0:bindings:${binding}" Location="${escapeXml(location)}"${rest}/>`
}
