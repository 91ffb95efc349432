import { randomUUID, sign as signBytes } from 'node:crypto'
import { SignedXml } from 'xml-crypto'
import { createLog } from '../../../src/lib/log.ts'
import type { Egress } from '../../../src/lib/egress.ts'
import type { Proof } from '../../../src/providers/proof.ts'
import type { Provider, Remembered } from '../../../src/providers/provider.ts'
import { makeKeyPair, type KeyPair } from '../../../src/providers/saml/certificate.ts'
import { samlConfig } from '../../../src/providers/saml/config.ts'
import { saml } from '../../../src/providers/saml/saml.ts'
import { TestClock } from '../../_clock.ts'

/** The connection that the messages here are for. */
export const connectionId = '0199c0de-0000-7000-8000-000000000001'
const base = `https://app.example.com/sso/${connectionId}`
export const redirectUri = `${base}/callback`
export const acs = `${base}/acs`
export const entityId = `${base}/metadata`
export const idpEntityId = 'https://idp.example/metadata'
export const ssoUrl = 'https://idp.example/sso'

export const clock = new TestClock()

/** The provider's key, the one it had before, one of nobody's, and ours. Made once: making them takes time. */
export const keys: Readonly<Record<'idp' | 'next' | 'evil' | 'ours', KeyPair>> = {
  idp: await makeKeyPair('idp', clock.now()),
  next: await makeKeyPair('next', clock.now()),
  evil: await makeKeyPair('evil', clock.now()),
  ours: await makeKeyPair('ours', clock.now()),
}

/** Settings of a connection as they are stored. */
export function settings(changed: Record<string, unknown> = {}, idp: object = {}): object {
  return {
    idp: { entityId: idpEntityId, ssoUrl, certificates: [keys.idp.certificate], ...idp },
    claims: { email: 'email', firstName: 'first', lastName: 'last', groups: 'groups' },
    keys: [{ id: '1', state: 'current', ...keys.ours }],
    ...changed,
  }
}

const context = {
  connectionId,
  clock,
  egress: undefined as unknown as Egress,
  log: createLog('silent'),
}

/** A provider opened from settings. */
export function openSaml(stored: object = settings()): Required<Provider> {
  return saml.open(samlConfig.parse(stored), context) as Required<Provider>
}

/** A sign-in that has begun: what it remembers, and the identifier of its request. */
export async function begun(
  provider: Provider = openSaml(),
): Promise<{ remember: Remembered; requestId: string }> {
  const { remember } = await provider.begin({ redirectUri, handle: 'the-handle' })
  return { remember, requestId: String(remember['requestId']) }
}

/** What a message of the honest provider says; a test changes one thing of it. */
export interface Said {
  responseId: string
  assertionId: string
  version: string
  destination: string | null
  issuer: string | null
  assertionIssuer: string
  inResponseTo: string | null
  confirmedFor: string | null
  status: string
  nameId: string
  conditions: string
  confirmation: string
  statement: string
  attributes: string
  /** What stands before the status. */
  beforeStatus: string
  issuedAt: Date
}

/** An instant some seconds from now. */
export function at(seconds: number): string {
  return new Date(clock.now().getTime() + seconds * 1000).toISOString()
}

export const success =
  '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'

/** A persistent NameID. */
export function nameId(text: string, attributes = ''): string {
  return `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"${attributes}>${text}</saml:NameID>`
}

/** Conditions with one audience after another. */
export function conditions(audiences: readonly string[], times = ''): string {
  const restrictions = audiences
    .map(
      (audience) =>
        `<saml:AudienceRestriction><saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction>`,
    )
    .join('')
  const usual = ` NotBefore="${at(-5)}" NotOnOrAfter="${at(300)}"`
  return `<saml:Conditions${times || usual}>${restrictions}</saml:Conditions>`
}

/** A confirmation by its attributes. */
export function confirmation(
  attributes: string,
  method = 'urn:oasis:names:tc:SAML:2.0:cm:bearer',
): string {
  return `<saml:SubjectConfirmation Method="${method}"><saml:SubjectConfirmationData${attributes}/></saml:SubjectConfirmation>`
}

/** An authentication statement by its attributes. */
export function statement(attributes = ` AuthnInstant="${at(-3)}" SessionIndex="s-1"`): string {
  return `<saml:AuthnStatement${attributes}><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`
}

/** One attribute and its values. */
export function attribute(name: string, ...values: readonly string[]): string {
  const inside = values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`)
  return `<saml:Attribute Name="${name}">${inside.join('')}</saml:Attribute>`
}

export const protocol = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"'
export const assertions = 'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'

/** What the honest provider says of Alice, but for `changed`. */
export function said(requestId: string | null, changed: Partial<Said> = {}): Said {
  const confirmedFor = requestId === null ? '' : ` InResponseTo="${requestId}"`
  return {
    responseId: `_r${randomUUID()}`,
    assertionId: `_a${randomUUID()}`,
    version: '2.0',
    destination: acs,
    issuer: idpEntityId,
    assertionIssuer: idpEntityId,
    inResponseTo: requestId,
    confirmedFor: requestId,
    status: success,
    nameId: nameId('alice'),
    conditions: conditions([entityId]),
    confirmation: confirmation(`${confirmedFor} Recipient="${acs}" NotOnOrAfter="${at(300)}"`),
    statement: statement(),
    attributes: [
      attribute('email', 'alice@acme.example'),
      attribute('first', 'Alice'),
      attribute('last', 'Adams'),
      attribute('groups', 'staff', 'admins'),
    ].join(''),
    beforeStatus: '',
    issuedAt: clock.now(),
    ...changed,
  }
}

/** The assertion alone. */
export function assertionOf(it: Said): string {
  return [
    `<saml:Assertion ${assertions} ID="${it.assertionId}" Version="${it.version}" IssueInstant="${it.issuedAt.toISOString()}">`,
    `<saml:Issuer>${it.assertionIssuer}</saml:Issuer>`,
    `<saml:Subject>${it.nameId}${it.confirmation}</saml:Subject>`,
    it.conditions,
    it.statement,
    `<saml:AttributeStatement>${it.attributes}</saml:AttributeStatement>`,
    '</saml:Assertion>',
  ].join('')
}

/** The response around whatever is given. */
export function responseAround(it: Said, inside: string): string {
  const to = it.inResponseTo === null ? '' : ` InResponseTo="${it.inResponseTo}"`
  const destination = it.destination === null ? '' : ` Destination="${it.destination}"`
  const issuer = it.issuer === null ? '' : `<saml:Issuer>${it.issuer}</saml:Issuer>`
  return [
    `<samlp:Response ${protocol} ${assertions} ID="${it.responseId}" Version="${it.version}" IssueInstant="${it.issuedAt.toISOString()}"${destination}${to}>`,
    `${issuer}${it.beforeStatus}${it.status}${inside}</samlp:Response>`,
  ].join('')
}

const exclusive = 'http://www.w3.org/2001/10/xml-exc-c14n#'
const enveloped = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'

/** How something is signed. */
export interface Signing {
  key?: KeyPair
  signatureAlgorithm?: string
  digestAlgorithm?: string
  canonicalizationAlgorithm?: string
  transforms?: readonly string[]
  /** @default after the issuer */
  at?: { reference: string; action: 'append' | 'prepend' | 'before' | 'after' }
}

/** Signs the element with that ID, its signature after its issuer. */
export function sign(xml: string, id: string, how: Signing = {}): string {
  const {
    key = keys.idp,
    signatureAlgorithm = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    digestAlgorithm = 'http://www.w3.org/2001/04/xmlenc#sha256',
    canonicalizationAlgorithm = exclusive,
    transforms = [enveloped, exclusive],
  } = how
  const signer = new SignedXml({
    privateKey: key.privateKey,
    publicCert: key.certificate,
    signatureAlgorithm: signatureAlgorithm as never,
    canonicalizationAlgorithm: canonicalizationAlgorithm as never,
  })
  const place = `//*[@ID='${id}']`
  const [, size] = /sha(\d+)$/.exec(signatureAlgorithm) ?? []
  signer.SignatureAlgorithms[signatureAlgorithm] ??= class {
    getAlgorithmName = () => signatureAlgorithm
    getSignature = (text: string) =>
      signBytes(`sha${size}`, Buffer.from(text), {
        key: key.privateKey,
        dsaEncoding: 'ieee-p1363',
      }).toString('base64')
    verifySignature = () => false
  } as never
  signer.addReference({
    xpath: place,
    transforms: transforms as never,
    digestAlgorithm: digestAlgorithm as never,
  })
  const location = how.at ?? {
    reference: `${place}/*[local-name(.)='Issuer']`,
    action: 'after' as const,
  }
  signer.computeSignature(xml, { prefix: 'ds', location })
  return signer.getSignedXml()
}

/** A whole response with a signed assertion, as the honest provider sends it. */
export function signedResponse(it: Said, how?: Signing): string {
  return responseAround(it, sign(assertionOf(it), it.assertionId, how))
}

/** As a form field. */
export function encoded(xml: string): string {
  return Buffer.from(xml).toString('base64')
}

/** Posts a response to a sign-in that has begun, and comes back. */
export async function comeBack(
  provider: Required<Provider>,
  remember: Remembered | undefined,
  xml: string,
  address?: string,
): Promise<Proof> {
  const form = { SAMLResponse: encoded(xml) }
  const received = await provider.receive({ form, redirectUri, remember, address })
  return provider.complete(new URL(redirectUri), received.remember)
}

/** Signs Alice in with a response made from `changed`; a test's shortest way to a refusal. */
export async function signIn(
  changed: Partial<Said> | ((requestId: string) => Partial<Said>) = {},
  provider: Required<Provider> = openSaml(),
): Promise<Proof> {
  const { remember, requestId } = await begun(provider)
  const it = said(requestId, typeof changed === 'function' ? changed(requestId) : changed)
  return comeBack(provider, remember, signedResponse(it))
}

/** Sends a response that `forge` makes out of an honest one. */
export async function sendForged(
  forge: (honest: { it: Said; assertion: string; requestId: string }) => string,
  provider: Required<Provider> = openSaml(),
): Promise<Proof> {
  const { remember, requestId } = await begun(provider)
  const it = said(requestId)
  const assertion = sign(assertionOf(it), it.assertionId)
  return comeBack(provider, remember, forge({ it, assertion, requestId }))
}

/** What `assert.rejects` is to find. */
export function because(reason: RegExp | string, code = 'sso_failed') {
  return (thrown: { code: string; reason: string }): boolean => {
    const fits = typeof reason === 'string' ? thrown.reason === reason : reason.test(thrown.reason)
    if (thrown.code === code && fits) return true
    throw new Error(`Refused with ${thrown.code}: ${thrown.reason}`, { cause: thrown })
  }
}
