import { escapeXml } from './escape.ts'

/** An authentication request (SAML Core §3.4.1). */
export interface AuthnRequest {
  readonly id: string
  readonly issuedAt: Date
  /** The provider's address for it. */
  readonly destination: string
  /** Our own identifier towards this connection's provider. */
  readonly entityId: string
  /** Where the answer is to be posted. */
  readonly acs: string
  /** Whether the person is to be asked who they are, whatever the provider remembers. */
  readonly force: boolean
  /** Which form of NameID is wanted. @default the provider decides */
  readonly nameIdFormat?: string | undefined
}

/** The text of a request. */
export function writeAuthnRequest(request: AuthnRequest): string {
  const { id, issuedAt, destination, entityId, acs, force, nameIdFormat } = request
  const format = nameIdFormat ? ` Format="${escapeXml(nameIdFormat)}"` : ''
  return [
    '<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"',
    ' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"',
    ` ID="${id}" Version="2.0" IssueInstant="${issuedAt.toISOString()}"`,
    ` Destination="${escapeXml(destination)}"`,
    ` AssertionConsumerServiceURL="${escapeXml(acs)}"`,
    ' ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"',
    `${force ? ' ForceAuthn="true"' : ''}>`,
    `<saml:Issuer>${escapeXml(entityId)}</saml:Issuer>`,
    `<samlp:NameIDPolicy${format} AllowCreate="true"/>`,
    '</samlp:AuthnRequest>',
  ].join('')
}
