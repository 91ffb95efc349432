import { printable, refused } from '../faults.ts'
import type { Claims } from '../proof.ts'
import { groupsIn, rawClaims } from '../raw-claims.ts'
import { nameIdFormats, type SamlConfig } from './config.ts'
import { childOf, childrenOf, type XmlElement } from './xml.ts'

/** What an assertion says of a person, by the attributes' names. */
export type Attributes = ReadonlyMap<string, readonly string[]>

/** All attributes of an assertion. One that comes in two pieces has the values of both. */
export function readAttributes(assertion: XmlElement): Attributes {
  const read = new Map<string, string[]>()
  for (const statement of childrenOf(assertion, 'saml:AttributeStatement')) {
    for (const attribute of childrenOf(statement, 'saml:Attribute')) {
      const name = attribute.attributes.get('Name')
      if (!name) throw refused('saml_attribute_name')
      const values = childrenOf(attribute, 'saml:AttributeValue').map(({ text }) => text)
      read.set(name, [...(read.get(name) ?? []), ...values])
    }
  }
  return read
}

/**
 * Who the person is at their provider, byte for byte as it was signed.
 * @throws AppError `sso_failed` where there is none, more than one, or one that may be another person's tomorrow
 */
export function readSubject(
  subject: XmlElement,
  attributes: Attributes,
  { subject: rule, idp }: SamlConfig,
  entityId: string,
): string {
  if (rule.from === 'attribute')
    return assertName(onlyValue(attributes, rule.name) ?? '', 'saml_subject_attribute')
  const nameId = childOf(subject, 'saml:NameID')
  if (!nameId) throw refused('saml_name_id')
  const format = nameId.attributes.get('Format') ?? nameIdFormats.unspecified
  if (!rule.formats.some((name) => nameIdFormats[name] === format))
    throw refused(`saml_name_id_format: ${printable(format, 128)}`)
  const qualifier = nameId.attributes.get('NameQualifier') ?? idp.entityId
  const ours = nameId.attributes.get('SPNameQualifier') ?? entityId
  // The same name under another qualifier is another person (SAML Core §8.3.7).
  if (qualifier !== idp.entityId || ours !== entityId) throw refused('saml_name_qualifier')
  return assertName(nameId.text, 'saml_name_id')
}

const longest = 256

/** A name nobody could take for another: not empty, no spaces around it, and nothing that does not show. */
function assertName(name: string, reason: string): string {
  if (name === '' || name !== name.trim() || name !== printable(name, longest))
    throw refused(reason)
  return name
}

/** What is shown of a person. An address is never taken as verified, because SAML has no word for it. */
export function readClaims(
  subject: XmlElement,
  attributes: Attributes,
  { claims: mapping }: SamlConfig,
): Claims {
  const one = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : printable(onlyValue(attributes, name)?.trim() ?? '', 255)
  const parts = [one(mapping.firstName), one(mapping.lastName)].filter(Boolean)
  const name = one(mapping.name) || parts.join(' ')
  const email = one(mapping.email) || nameIdAddress(subject)
  const groups =
    mapping.groups === undefined ? undefined : groupsIn(attributes.get(mapping.groups) ?? [])
  const raw = Array.from(attributes, ([key, values]) => [
    key,
    values.length === 1 ? values[0] : values,
  ])
  return {
    ...(name && { name }),
    ...(email && { email }),
    ...(groups && { groups }),
    raw: rawClaims(Object.fromEntries(raw)),
  }
}

function nameIdAddress(subject: XmlElement): string | undefined {
  const nameId = childOf(subject, 'saml:NameID')
  return nameId?.attributes.get('Format') === nameIdFormats.emailAddress
    ? printable(nameId.text, 255)
    : undefined
}

/** The value of an attribute that has one; two could each be meant. */
function onlyValue(attributes: Attributes, name: string): string | undefined {
  const [value, ...more] = attributes.get(name) ?? []
  if (more.length > 0) throw refused(`saml_attribute_repeated: ${printable(name, 128)}`)
  return value
}
