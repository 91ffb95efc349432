import type { KeyObject } from 'node:crypto'
import { later, minutes, seconds } from '../../lib/clock.ts'
import { randomToken } from '../../lib/secrets.ts'
import { refused } from '../faults.ts'
import type { EndedSession, HeardLogout, LogoutPost, ProviderContext } from '../provider.ts'
import { currentKey, type SamlConfig } from './config.ts'
import { escapeXml } from './escape.ts'
import { logoutGrammar } from './logout-grammar.ts'
import { fromRedirect, toRedirect, type MessageName } from './redirect-binding.ts'
import { ownAddresses, type SamlAddresses } from './saml.ts'
import { readSigned } from './signature.ts'
import { childOf, childrenOf, fromBase64, readMessage, type XmlElement } from './xml.ts'

/** How long a request to sign out may be under way, in milliseconds. */
const longestUse = minutes(5)

/**
 * Where to send a browser whose session here is over, so that the provider ends its own too (SAML Profiles §4.4.3.1);
 * undefined where the provider has no address for it, or we have nothing to sign or to name the person with.
 */
export function startLogout(
  { redirectUri, handle, nameId, providerSession }: EndedSession,
  config: SamlConfig,
  { clock }: ProviderContext,
): URL | undefined {
  const { sloUrl } = config.idp
  const key = currentKey(config)
  if (!sloUrl || !key || !nameId) return undefined
  const now = clock.now()
  const qualifiers = [
    ['Format', nameId.format],
    ['NameQualifier', nameId.nameQualifier],
    ['SPNameQualifier', nameId.spNameQualifier],
  ].map(([name, value]) => (value === undefined ? '' : ` ${name}="${escapeXml(value)}"`))
  const session =
    providerSession === undefined
      ? ''
      : `<samlp:SessionIndex>${escapeXml(providerSession)}</samlp:SessionIndex>`
  const xml = message('LogoutRequest', {
    // Its answer names it, which is how we know that we have asked.
    attributes: `ID="_${handle}" NotOnOrAfter="${later(now, longestUse).toISOString()}"`,
    destination: sloUrl,
    issuer: ownAddresses(redirectUri).entityId,
    now,
    content: `<saml:NameID${qualifiers.join('')}>${escapeXml(nameId.value)}</saml:NameID>${session}`,
  })
  return toRedirect(sloUrl, { name: 'SAMLRequest', xml }, key.privateKey.reveal())
}

/**
 * Judges a message about signing out (SAML Profiles §4.4.4). On either binding it has to be signed.
 * @throws AppError `sso_failed` with the check that failed as its reason
 */
export function hearLogout(
  post: LogoutPost,
  config: SamlConfig,
  { clock }: ProviderContext,
): HeardLogout {
  const own = ownAddresses(post.redirectUri)
  const keys = config.idp.certificates.map(({ publicKey }) => publicKey)
  const { name, root, relayState } = open(post, keys)
  const expected = name === 'SAMLRequest' ? 'samlp:LogoutRequest' : 'samlp:LogoutResponse'
  if (root.name !== expected) throw refused('saml_structure: not about signing out')
  const issuedAt = checkEnvelope(root, config, { own, now: clock.now() })
  if (name === 'SAMLResponse') return readAnswer(root)
  return readRequest(root, { config, own, relayState, issuedAt, now: clock.now() })
}

/** The message, read from the bytes that were signed. */
function open(
  { search, form }: LogoutPost,
  keys: readonly KeyObject[],
): { name: MessageName; root: XmlElement; relayState: string | undefined } {
  if (search !== undefined) {
    const { name, xml, relayState } = fromRedirect(search, keys)
    return { name, root: readMessage(Buffer.from(xml), logoutGrammar), relayState }
  }
  const { SAMLRequest: request, SAMLResponse: response, RelayState: relayState } = form
  const encoded = request ?? response
  if (encoded === undefined || (request !== undefined && response !== undefined))
    throw refused('saml_message_missing')
  const read = readMessage(fromBase64(encoded), logoutGrammar)
  const name = request === undefined ? 'SAMLResponse' : 'SAMLRequest'
  return { name, root: readSigned(read, keys, logoutGrammar), relayState }
}

/** Who says it, to whom, and when. Answers when, in milliseconds. */
function checkEnvelope(
  root: XmlElement,
  { idp, clockSkewSeconds }: SamlConfig,
  { own, now }: { own: SamlAddresses; now: Date },
): number {
  const { attributes } = root
  if (attributes.get('Version') !== '2.0') throw refused('saml_version')
  if (attributes.get('Destination') !== own.slo) throw refused('saml_destination')
  const issuer = childOf(root, 'saml:Issuer')!
  const format = issuer.attributes.get('Format') ?? entityFormat
  if (issuer.text !== idp.entityId || format !== entityFormat) throw refused('saml_issuer_mismatch')
  const at = instant(attributes.get('IssueInstant'))
  const skew = seconds(clockSkewSeconds)
  if (at > now.getTime() + skew || at <= now.getTime() - longestUse - skew)
    throw refused('saml_issue_instant')
  return at
}

const entityFormat = 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity'

interface Reading {
  readonly config: SamlConfig
  readonly own: SamlAddresses
  readonly relayState: string | undefined
  readonly issuedAt: number
  readonly now: Date
}

function readRequest(
  root: XmlElement,
  { config, own, relayState, issuedAt, now }: Reading,
): HeardLogout {
  const id = root.attributes.get('ID') ?? ''
  const skew = seconds(config.clockSkewSeconds)
  const ends = root.attributes.get('NotOnOrAfter')
  if (id === '') throw refused('saml_structure: no ID')
  if (ends !== undefined && instant(ends) <= now.getTime() - skew)
    throw refused('saml_not_on_or_after')
  const { text: value, attributes } = childOf(root, 'saml:NameID')!
  const nameQualifier = attributes.get('NameQualifier')
  const spNameQualifier = attributes.get('SPNameQualifier')
  return {
    kind: 'request',
    once: { id, until: new Date(issuedAt + longestUse + 2 * skew) },
    provided: {
      nameId: {
        value,
        ...(nameQualifier !== undefined && { nameQualifier }),
        ...(spNameQualifier !== undefined && { spNameQualifier }),
      },
      qualifiers: { provider: config.idp.entityId, own: own.entityId },
      sessions: childrenOf(root, 'samlp:SessionIndex').map(({ text }) => text.slice(0, 255)),
    },
    answer: answerTo(id, relayState, { config, own, now }),
  }
}

/** The answer that it is done (SAML Core §3.7.3.2); undefined where the provider has no address for it. */
function answerTo(
  requestId: string,
  relayState: string | undefined,
  { config, own, now }: Pick<Reading, 'config' | 'own' | 'now'>,
): URL | undefined {
  const { sloUrl, sloResponseUrl: destination = sloUrl } = config.idp
  const key = currentKey(config)
  if (!destination || !key) return undefined
  const xml = message('LogoutResponse', {
    attributes: `ID="_${randomToken()}" InResponseTo="${escapeXml(requestId)}"`,
    destination,
    issuer: own.entityId,
    now,
    content: `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>`,
  })
  const echoed = relayState !== undefined && relayState.length <= 1024 ? { relayState } : {}
  return toRedirect(destination, { name: 'SAMLResponse', xml, ...echoed }, key.privateKey.reveal())
}

function readAnswer({ attributes }: XmlElement): HeardLogout {
  const asked = attributes.get('InResponseTo') ?? ''
  if (!asked.startsWith('_')) throw refused('saml_in_response_to')
  return { kind: 'answer', handle: asked.slice(1) }
}

/** An instant as SAML writes it (SAML Core §1.3.3): UTC. */
function instant(text: string | undefined): number {
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(text ?? '')
    ? Date.parse(text!)
    : Number.NaN
  if (Number.isNaN(at)) throw refused('saml_instant')
  return at
}

function message(
  name: string,
  {
    attributes,
    destination,
    issuer,
    now,
    content,
  }: { attributes: string; destination: string; issuer: string; now: Date; content: string },
): string {
  return [
    `<samlp:${name} xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"`,
    ' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"',
    ` ${attributes} Version="2.0" IssueInstant="${now.toISOString()}"`,
    ` Destination="${escapeXml(destination)}">`,
    `<saml:Issuer>${escapeXml(issuer)}</saml:Issuer>${content}</samlp:${name}>`,
  ].join('')
}
