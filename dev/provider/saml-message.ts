import { minutes } from '../../src/lib/clock.ts'
import { randomToken } from '../../src/lib/secrets.ts'
import type { DevelopmentPerson } from './people.ts'

/** To whom something is said of a person, and by whom. */
export interface Addressed {
  /** Where the application takes responses. */
  readonly acs: string
  /** The application's name. */
  readonly audience: string
  readonly issuer: string
  /** Which request it answers; undefined: nobody has asked. */
  readonly requestId: string | undefined
}

/** How long an assertion counts. */
const validity = minutes(5)

/** What is said of a person, by the names that the library's template has for it, and {@link statements}. */
export function sayings(
  { id, name, email, role }: DevelopmentPerson,
  { acs, audience, issuer, requestId }: Addressed,
): Record<string, string | undefined> & { readonly ID: string } {
  const now = new Date().toISOString()
  const end = new Date(Date.now() + validity).toISOString()
  return {
    ID: `_${randomToken()}`,
    AssertionID: `_${randomToken()}`,
    Issuer: issuer,
    IssueInstant: now,
    Destination: acs,
    SubjectRecipient: acs,
    Audience: audience,
    InResponseTo: requestId,
    StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
    ConditionsNotBefore: now,
    ConditionsNotOnOrAfter: end,
    SubjectConfirmationDataNotOnOrAfter: end,
    NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    NameID: id,
    AuthnInstant: now,
    SessionIndex: `_${randomToken()}`,
    name,
    email,
    role,
  }
}

/** The attributes it sends. */
export const attributes = ['name', 'email', 'role'] as const

const attribute = (name: string): string =>
  `<saml:Attribute Name="${name}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xsi:type="xs:string">{${name}}</saml:AttributeValue></saml:Attribute>`

/** That somebody has signed in, and what they are like, as a template. */
export const statements: string = [
  '<saml:AuthnStatement AuthnInstant="{AuthnInstant}" SessionIndex="{SessionIndex}">',
  '<saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext>',
  '</saml:AuthnStatement>',
  `<saml:AttributeStatement>${attributes.map(attribute).join('')}</saml:AttributeStatement>`,
].join('')
