import { SignedXml } from 'xml-crypto'
import { selfSigned } from '../../_certificate.ts'

/** What a test may want otherwise in the metadata of an identity provider. */
export interface MetadataParts {
  readonly entityId?: string
  readonly certificates?: readonly string[]
  readonly sso?: string
  readonly slo?: string
  /** Attributes of the root. */
  readonly root?: string
  /** Put before the descriptor, and into it. */
  readonly before?: string
  readonly inside?: string
}

export const redirectBinding = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect'
export const postBinding = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'

/** The base64 between the lines of a PEM. */
export function bare(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, '')
}

export const idpKey: ReturnType<typeof selfSigned> = selfSigned('idp.example.com')

/** Metadata as an identity provider publishes it. */
export function idpMetadata({
  entityId = 'https://idp.example.com/saml',
  certificates = [bare(idpKey.cert)],
  sso = `<md:SingleSignOnService Binding="${redirectBinding}" Location="https://idp.example.com/sso"/>`,
  slo = `<md:SingleLogoutService Binding="${redirectBinding}" Location="https://idp.example.com/slo"/>`,
  root = '',
  before = '',
  inside = '',
}: MetadataParts = {}): string {
  const keys = certificates
    .map(
      (certificate) =>
        `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
    )
    .join('')
  return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m1" entityID="${entityId}" ${root}>${before}<md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">${keys}${inside}${slo}<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>${sso}</md:IDPSSODescriptor></md:EntityDescriptor>`
}

/** A document signed at its root as XML signatures are (enveloped, exclusive canonical form). */
export function signXml(
  xml: string,
  { key, cert }: { key: string; cert: string },
  signatureAlgorithm = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
): string {
  const signer = new SignedXml({
    privateKey: key,
    publicCert: cert,
    signatureAlgorithm,
    canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
  })
  signer.addReference({
    xpath: '/*',
    transforms: [
      'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
      'http://www.w3.org/2001/10/xml-exc-c14n#',
    ],
    digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
  })
  signer.computeSignature(xml, {
    location: { reference: '/*/*[1]', action: 'before' },
    prefix: 'ds',
  })
  return signer.getSignedXml()
}
