import { findAttribute, type Attribute, type ResourceKind } from './attributes.ts'
import { refusal } from './refusal.ts'

/** A resource or a complex value: known attributes in their own spelling, and nothing that is empty. */
export type Values = { [name: string]: unknown }

/** The longest text, and the most values of one list. */
const [longestText, mostValues] = [1024, 10_000]

/**
 * Reads a resource as a directory sends it: what no schema knows and what it cannot change is passed over, as RFC 7644
 * §3.3 and §3.5.1 have it. Names are taken in any case, none of them twice.
 * @throws AppError with `invalidSyntax`, `invalidValue`
 */
export function readResource(kind: ResourceKind, body: unknown): Values {
  const resource: Values = {}
  const extended = new Map(kind.extensions.map((one) => [one.id.toLowerCase(), one]))
  for (const [key, value] of entriesOf(body, 'A resource is a JSON object.')) {
    const extension = extended.get(key.toLowerCase())
    if (extension) put(resource, extension.id, readParts(extension.attributes, value))
    const attribute = findAttribute(kind.attributes, key)
    if (attribute && attribute.mutability !== 'readOnly')
      put(resource, attribute.name, readValue(attribute, value))
  }
  return resource
}

/** @throws AppError with `invalidValue` where something is missing that has to be there */
export function assertComplete(kind: ResourceKind, resource: Values): void {
  for (const { name, required } of kind.attributes)
    if (required && resource[name] === undefined)
      throw refusal('invalidValue', `A ${kind.name} has a ${name}.`)
}

/**
 * Reads one attribute's value; undefined where it is empty.
 * @throws AppError with `invalidValue`
 */
export function readValue(attribute: Attribute, value: unknown): unknown {
  if (value === null || value === undefined) return undefined
  if (!attribute.many) return readOne(attribute, value)
  const values = Array.isArray(value) ? value : [value]
  if (values.length > mostValues)
    throw refusal('tooMany', `${attribute.name} can have ${mostValues} values.`)
  const read = values.map((one) => readOne(attribute, one)).filter((one) => one !== undefined)
  return read.length > 0 ? read : undefined
}

/** The members of an object that a directory has sent. @throws AppError with `invalidSyntax` */
export function entriesOf(value: unknown, otherwise: string): readonly [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refusal('invalidSyntax', otherwise)
  return Object.entries(value)
}

function readOne(attribute: Attribute, value: unknown): unknown {
  const { type, name, parts = [] } = attribute
  if (type === 'boolean') return readBoolean(name, value)
  if (type !== 'complex') return readText(name, value)
  // Some directories send the value alone where there could be more to say.
  const alone = typeof value === 'string' && findAttribute(parts, 'value')
  return readParts(parts, alone ? { value } : value)
}

function readParts(parts: readonly Attribute[], value: unknown): Values | undefined {
  if (value === null) return undefined
  const read: Values = {}
  for (const [key, part] of entriesOf(value, 'A value with parts is a JSON object.')) {
    const attribute = findAttribute(parts, key)
    if (attribute) put(read, attribute.name, readValue(attribute, part))
  }
  return Object.keys(read).length > 0 ? read : undefined
}

/** `"False"` is what it says, in any case; anything that is neither is nothing that could be guessed. */
function readBoolean(name: string, value: unknown): boolean {
  const word = typeof value === 'string' ? value.toLowerCase() : value
  if (word === true || word === 'true') return true
  if (word === false || word === 'false') return false
  throw refusal('invalidValue', `${name} is true or false.`)
}

function readText(name: string, value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || text.length > longestText || text.includes('\u0000'))
    throw refusal('invalidValue', `${name} is a text of at most ${longestText} characters.`)
  return text === '' ? undefined : text
}

function put(values: Values, name: string, value: unknown): void {
  if (Object.hasOwn(values, name))
    throw refusal('invalidSyntax', `${name} is there twice, in different spellings.`)
  if (value !== undefined) values[name] = value
}
