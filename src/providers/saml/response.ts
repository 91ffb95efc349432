import { isIP } from 'node:net'
import { later, minutes, seconds } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import { printable, refused } from '../faults.ts'
import type { ProofData } from '../proof.ts'
import { readAttributes, readClaims, readSubject } from './attributes.ts'
import type { SamlConfig } from './config.ts'
import { decrypt } from './encryption.ts'
import { responseGrammar } from './grammar.ts'
import { readSigned } from './signature.ts'
import { childOf, childrenOf, fromBase64, readMessage, type XmlElement } from './xml.ts'

/** What a response has to fit. */
export interface Expected {
  /** The one address where this connection's responses are posted. */
  readonly acs: string
  /** Our own identifier towards this connection's provider. */
  readonly entityId: string
  /** The request it has to answer; null: nobody asked, and it must answer none. */
  readonly requestId: string | null
  /** Whether it may come without having been asked for. */
  readonly unsolicited: boolean
  /** Where the browser is, if that is known. */
  readonly address: string | undefined
  readonly now: Date
}

/** What a response said, once every check has passed. */
export interface Asserted {
  /** The assertion's identifier: it counts once. */
  readonly id: string
  /** From then on nothing would accept it any more. */
  readonly until: Date
  readonly said: Omit<ProofData, 'connectionId'>
}

/** How old an assertion may be, whatever end it gives itself: some providers give it an hour. */
const longestUse = minutes(10)
/** An end further away than this is nonsense. */
const longestEnd = minutes(24 * 60)

/**
 * Judges a response to a sign-in (SAML Profiles §4.1.4.3). What it answers was read from signed bytes alone.
 * @param encoded as it was posted: base64
 * @throws AppError `sso_failed` or `sso_denied` with the check that failed as its reason
 */
export function readResponse(encoded: string, config: SamlConfig, expected: Expected): Asserted {
  const response = readMessage(fromBase64(encoded), responseGrammar)
  checkAsked(response, expected)
  checkResponse(response, config, expected)
  const assertion = signedAssertion(response, config)
  checkAssertion(assertion, config, expected)
  const subject = childOf(assertion, 'saml:Subject')
  const statement = childOf(assertion, 'saml:AuthnStatement')
  if (!subject) throw refused('saml_subject')
  if (!statement) throw refused('saml_authn_statement')
  const times = new Times(config, expected)
  const ends = [
    times.checkIssued(assertion),
    ...times.checkConditions(childOf(assertion, 'saml:Conditions')!),
    checkConfirmation(subject, times, expected),
  ]
  const attributes = readAttributes(assertion)
  return {
    id: assertion.attributes.get('ID')!,
    until: new Date(Math.min(...ends) + config.clockSkewSeconds * 1000),
    said: {
      issuer: config.idp.entityId,
      subject: readSubject(subject, attributes, config, expected.entityId),
      ...readStatement(statement, times),
      ...readNameId(subject),
      claims: readClaims(subject, attributes, config),
    },
  }
}

/** Whether it answers what was asked, as far as the envelope says; the assertion has to say it again. */
function checkAsked({ attributes }: XmlElement, { requestId, unsolicited }: Expected): void {
  if ((attributes.get('InResponseTo') ?? null) !== requestId) {
    // Nobody here waits for this answer.
    if (requestId === null) throw new AppError('flow_invalid', { reason: 'saml_in_response_to' })
    throw refused('saml_in_response_to')
  }
  if (requestId === null && !unsolicited) throw refused('saml_unsolicited')
}

/** The envelope: cheap, and before any signature, because it can only refuse. */
function checkResponse(response: XmlElement, config: SamlConfig, expected: Expected): void {
  if (response.name !== 'samlp:Response') throw refused(`saml_structure: ${response.name}`)
  if (response.attributes.get('Version') !== '2.0') throw refused('saml_version')
  if (response.attributes.get('Destination') !== expected.acs) throw refused('saml_destination')
  checkIssuer(response, config)
  checkStatus(childOf(response, 'samlp:Status')!)
}

function checkIssuer(element: XmlElement, { idp }: SamlConfig): void {
  const issuer = childOf(element, 'saml:Issuer')
  const format = issuer?.attributes.get('Format')
  const isEntity =
    format === undefined || format === 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity'
  if (issuer?.text !== idp.entityId || !isEntity) throw refused('saml_issuer_mismatch')
}

const statusPrefix = 'urn:oasis:names:tc:SAML:2.0:status:'
const denials = ['AuthnFailed', 'RequestDenied', 'NoPassive', 'NoAuthnContext']

/** The provider's own words go into the reason only, and only the printable ones. */
function checkStatus(status: XmlElement): void {
  const code = childOf(status, 'samlp:StatusCode')!
  const inner = childOf(code, 'samlp:StatusCode')
  const values = [code, ...(inner ? [inner] : [])].map(
    ({ attributes }) => attributes.get('Value') ?? '',
  )
  if (values.join() === `${statusPrefix}Success`) return
  const names = values.map((value) => printable(value.replace(statusPrefix, ''), 64))
  const message = printable(childOf(status, 'samlp:StatusMessage')?.text ?? '', 256)
  const denied = values.some((value) => denials.includes(value.replace(statusPrefix, '')))
  throw new AppError(denied ? 'sso_denied' : 'sso_failed', {
    reason: `saml_status: ${names.join(', ')}: ${message}`,
  })
}

/**
 * The response's one assertion, read from what was signed: the assertion itself, or the response around it. Every
 * signature there is has to be right.
 */
function signedAssertion(response: XmlElement, config: SamlConfig): XmlElement {
  const [found, ...more] = [
    ...childrenOf(response, 'saml:Assertion'),
    ...childrenOf(response, 'saml:EncryptedAssertion'),
  ]
  if (!found) throw refused('saml_assertion_missing')
  if (more.length > 0) throw refused('saml_assertion_count')
  const keys = config.idp.certificates.map(({ publicKey }) => publicKey)
  const isSigned = childOf(response, 'ds:Signature') !== undefined
  const whole = isSigned ? readSigned(response, keys, responseGrammar) : undefined
  if (config.requireSignedResponse && !whole) throw refused('saml_unsigned: response')
  if (found.name === 'saml:EncryptedAssertion') {
    const inside = readMessage(decrypt(found, ownKeys(config)), responseGrammar)
    if (inside.name !== 'saml:Assertion') throw refused('saml_structure: encrypted')
    // Whatever stands around it: anybody can encrypt for us.
    return readSigned(inside, keys, responseGrammar)
  }
  if (childOf(found, 'ds:Signature')) return readSigned(found, keys, responseGrammar)
  const covered = whole && childOf(whole, 'saml:Assertion')
  if (!covered) throw refused('saml_unsigned')
  return covered
}

function ownKeys({ keys }: SamlConfig) {
  return keys.map(({ privateKey }) => privateKey.reveal())
}

function checkAssertion(assertion: XmlElement, config: SamlConfig, { entityId }: Expected): void {
  if (assertion.attributes.get('Version') !== '2.0') throw refused('saml_version')
  if (!assertion.attributes.get('ID')) throw refused('saml_structure: no ID')
  checkIssuer(assertion, config)
  const conditions = childOf(assertion, 'saml:Conditions')
  const restrictions = conditions ? childrenOf(conditions, 'saml:AudienceRestriction') : []
  const isForUs = restrictions.every((restriction) =>
    childrenOf(restriction, 'saml:Audience').some(({ text }) => text === entityId),
  )
  if (restrictions.length === 0 || !isForUs) throw refused('saml_audience')
}

const bearer = 'urn:oasis:names:tc:SAML:2.0:cm:bearer'

/** One bearer confirmation has to fit (SAML Profiles §4.1.4.2); answers its end. */
function checkConfirmation(subject: XmlElement, times: Times, expected: Expected): number {
  const confirmations = childrenOf(subject, 'saml:SubjectConfirmation').filter(
    ({ attributes }) => attributes.get('Method') === bearer,
  )
  const problems: AppError[] = []
  for (const confirmation of confirmations) {
    const data = childOf(confirmation, 'saml:SubjectConfirmationData')
    const problem = data ? problemOf(data, expected) : refused('saml_subject_confirmation')
    if (problem) problems.push(problem)
    else return times.checkEnd(data!.attributes.get('NotOnOrAfter'), 'saml_subject_confirmation')
  }
  throw problems[0] ?? refused('saml_subject_confirmation')
}

function problemOf({ attributes }: XmlElement, expected: Expected): AppError | undefined {
  if (attributes.get('Recipient') !== expected.acs) return refused('saml_recipient')
  if (attributes.has('NotBefore')) return refused('saml_subject_confirmation: NotBefore')
  if ((attributes.get('InResponseTo') ?? null) !== expected.requestId)
    return refused('saml_in_response_to')
  return isElsewhere(attributes.get('Address'), expected.address)
    ? refused('saml_address')
    : undefined
}

/** Only addresses of one family can be compared: many a browser reaches the provider by the other one. */
function isElsewhere(said: string | undefined, known: string | undefined): boolean {
  return !!said && !!known && isIP(said) === isIP(known) && said !== known
}

/** By which name the provider will speak of the person when it ends its session. */
function readNameId(subject: XmlElement): Pick<ProofData, 'nameId'> {
  const nameId = childOf(subject, 'saml:NameID')
  if (!nameId || nameId.text === '' || nameId.text.length > 1024) return {}
  const format = nameId.attributes.get('Format')
  const nameQualifier = nameId.attributes.get('NameQualifier')
  const spNameQualifier = nameId.attributes.get('SPNameQualifier')
  return {
    nameId: {
      value: nameId.text,
      ...(format !== undefined && { format }),
      ...(nameQualifier !== undefined && { nameQualifier }),
      ...(spNameQualifier !== undefined && { spNameQualifier }),
    },
  }
}

function readStatement(statement: XmlElement, times: Times): Partial<ProofData> {
  const { attributes } = statement
  const context = childOf(statement, 'saml:AuthnContext')!
  const acr = childOf(context, 'saml:AuthnContextClassRef')?.text
  const session = attributes.get('SessionIndex')
  const ends = attributes.get('SessionNotOnOrAfter')
  const at = times.read(attributes.get('AuthnInstant'), 'saml_authn_instant')
  if (at > times.latest) throw refused('saml_authn_instant')
  if (ends !== undefined && times.read(ends, 'saml_session_over') <= times.earliest)
    throw refused('saml_session_over')
  return {
    authenticatedAt: new Date(at).toISOString(),
    ...(acr && { acr: printable(acr, 255) }),
    ...(session && { providerSession: session.slice(0, 255) }),
    ...(ends !== undefined && { sessionEndsAt: new Date(Date.parse(ends)).toISOString() }),
  }
}

/** Instants of a message against our clock. All in milliseconds. */
class Times {
  readonly #now: number
  /** What is before this is over, and what is after {@link latest} has not begun. */
  readonly earliest: number
  readonly latest: number

  constructor({ clockSkewSeconds }: SamlConfig, { now }: Expected) {
    this.#now = now.getTime()
    this.earliest = this.#now - seconds(clockSkewSeconds)
    this.latest = this.#now + seconds(clockSkewSeconds)
  }

  /** An instant as SAML writes them: in UTC (SAML Core §1.3.3). */
  read(text: string | undefined, reason: string): number {
    const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(text ?? '')
      ? Date.parse(text!)
      : NaN
    if (Number.isNaN(instant)) throw refused(`${reason}: not an instant`)
    return instant
  }

  /** When something ends that is still to come, but not absurdly so. */
  checkEnd(text: string | undefined, reason: string): number {
    const end = this.read(text, reason)
    if (end <= this.earliest) throw refused('saml_not_on_or_after')
    if (end > this.#now + longestEnd) throw refused('saml_not_on_or_after: too far')
    return end
  }

  /** @returns when it is too old to be used */
  checkIssued({ attributes }: XmlElement): number {
    const issued = this.read(attributes.get('IssueInstant'), 'saml_issue_instant')
    if (issued > this.latest) throw refused('saml_issue_instant')
    const end = later(new Date(issued), longestUse).getTime()
    if (end <= this.earliest) throw refused('saml_not_on_or_after: issued too long ago')
    return end
  }

  checkConditions({ attributes }: XmlElement): readonly number[] {
    const begin = attributes.get('NotBefore')
    if (begin !== undefined && this.read(begin, 'saml_conditions') > this.latest)
      throw refused('saml_not_before')
    const end = attributes.get('NotOnOrAfter')
    return end === undefined ? [] : [this.checkEnd(end, 'saml_conditions')]
  }
}
