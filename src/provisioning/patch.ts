import { isDeepStrictEqual } from 'node:util'
import { findAttribute, type Attribute, type ResourceKind, type Schema } from './attributes.ts'
import { parsePlace, type AttributePath, type Place } from './filter.ts'
import { fits, saidBy } from './match.ts'
import { refusal } from './refusal.ts'
import { entriesOf, readValue, type Values } from './values.ts'

/** How many operations one request may have. */
export const mostOperations = 100

type Op = 'add' | 'replace' | 'remove'

/** Attributes that are there in any case. */
const lasting = ['active']

/** What a no-path value may hold of what cannot be changed, and is passed over. */
const ignored = ['schemas', 'meta']

/**
 * A resource as it is after a PATCH (RFC 7644 §3.5.2): all operations one after the other, or none. Takes the ways in
 * which known directories differ from the text: `op` in any case, attributes named in the value instead of the path,
 * `remove` that lists what to remove, values for an entry that is not there yet.
 * @param resource with what cannot be changed, such as its id
 * @throws AppError with `invalidSyntax`, `invalidPath`, `invalidValue`, `noTarget`, `mutability`, `tooMany`
 */
export function applyPatch(kind: ResourceKind, resource: Values, body: unknown): Values {
  const members = new Map(
    entriesOf(body, 'A PATCH is a JSON object.').map(([key, value]) => [key.toLowerCase(), value]),
  )
  const operations = members.get('operations')
  if (!Array.isArray(operations) || operations.length === 0)
    throw refusal('invalidSyntax', 'A PATCH has a list of Operations.')
  if (operations.length > mostOperations)
    throw refusal('tooMany', `A PATCH can have ${mostOperations} operations.`)
  const patched = structuredClone(resource)
  for (const operation of operations) carryOut(kind, patched, operation)
  return patched
}

function carryOut(kind: ResourceKind, resource: Values, operation: unknown): void {
  const { op, path, value } = Object.fromEntries(
    entriesOf(operation, 'An operation is a JSON object.').map(([key, value]) => [
      key.toLowerCase(),
      value,
    ]),
  )
  const does = typeof op === 'string' ? op.toLowerCase() : ''
  if (does !== 'add' && does !== 'replace' && does !== 'remove')
    throw refusal('invalidSyntax', 'An operation adds, replaces or removes.')
  if (path !== undefined && path !== null) {
    if (typeof path !== 'string') throw refusal('invalidPath', 'A path is text.')
    return change(kind, resource, { does, place: parsePlace(path), value, named: true })
  }
  if (does === 'remove') throw refusal('noTarget', 'What is removed is named by a path.')
  for (const [key, one] of entriesOf(value, 'Without a path, the value is a JSON object.'))
    changeNamed(kind, resource, { does, key, value: one })
}

interface Change {
  readonly does: Op
  readonly place: Place
  readonly value: unknown
  /** Whether a path has named it, rather than a member of a value. */
  readonly named: boolean
}

/** A member of a value stands for an attribute, for an extension, or for a path. What nobody knows is passed over. */
function changeNamed(
  kind: ResourceKind,
  resource: Values,
  { does, key, value }: { readonly does: Op; readonly key: string; readonly value: unknown },
): void {
  const extension = extensionOf(kind, key)
  if (extension) return changeAll(resource, extension, does, value)
  if (findAttribute(kind.attributes, key)) {
    const path: AttributePath = { schema: undefined, name: key.toLowerCase(), part: undefined }
    return change(kind, resource, { does, place: { path }, value, named: false })
  }
  if (!/[.[:]/.test(key)) return
  const place = parsePlace(key)
  if (placed(kind, resource, place.path))
    change(kind, resource, { does, place, value, named: true })
}

function extensionOf(kind: ResourceKind, name: string): Schema | undefined {
  return kind.extensions.find(({ id }) => id.toLowerCase() === name.toLowerCase())
}

/** Everything that a value says of an extension. */
function changeAll(resource: Values, { id, attributes }: Schema, does: Op, value: unknown): void {
  if (does === 'remove') return void delete resource[id]
  const within = (resource[id] ??= {}) as Values
  for (const [key, one] of entriesOf(value, 'An extension is a JSON object.')) {
    const attribute = findAttribute(attributes, key)
    if (attribute) changeOne(within, attribute, { does, part: undefined, value: one })
  }
}

/** Where an attribute is. */
interface Placed {
  readonly values: Values
  readonly attribute: Attribute
}

function placed(kind: ResourceKind, resource: Values, path: AttributePath): Placed | undefined {
  const { schema, name } = path
  const extension = schema === undefined ? undefined : extensionOf(kind, schema)
  const own = schema === undefined || schema === kind.schema.id.toLowerCase()
  const attributes = extension?.attributes ?? (own ? kind.attributes : [])
  const attribute = findAttribute(attributes, name)
  if (!attribute) return undefined
  return { attribute, values: extension ? ((resource[extension.id] ??= {}) as Values) : resource }
}

function change(kind: ResourceKind, resource: Values, { does, place, value, named }: Change): void {
  const { path, where } = place
  // The path of an extension as a whole ends as that of an attribute would.
  const whole = path.schema !== undefined && extensionOf(kind, `${path.schema}:${path.name}`)
  if (whole) return changeAll(resource, whole, does, value)
  const found = placed(kind, resource, path)
  if (!found) throw refusal('invalidPath', 'There is no attribute of that name.')
  const { values, attribute } = found
  if (attribute.mutability === 'readOnly') {
    const same = !named && isDeepStrictEqual(values[attribute.name], value)
    if (same || (!named && ignored.includes(attribute.name))) return
    throw refusal('mutability', `${attribute.name} cannot be changed.`)
  }
  if (where === undefined) changeOne(values, attribute, { does, part: path.part, value })
  else {
    if (!attribute.many) throw refusal('invalidPath', `${attribute.name} has one value.`)
    const listed = changeListed(listOf(values, attribute), attribute, { does, place, value })
    keepList(values, attribute, listed)
  }
}

interface PartChange {
  readonly does: Op
  readonly part: string | undefined
  readonly value: unknown
}

function changeOne(values: Values, attribute: Attribute, { does, part, value }: PartChange): void {
  const { name, many, type } = attribute
  if (part !== undefined && many) {
    const list = listOf(values, attribute)
    const all = list.length > 0 || does === 'remove' ? list : [{}]
    for (const one of all) changePart(one, attribute, { does, part, value })
    return keepList(values, attribute, all)
  }
  if (part !== undefined) {
    const whole = (values[name] ??= {}) as Values
    changePart(whole, attribute, { does, part, value })
    if (Object.keys(whole).length === 0) delete values[name]
    return
  }
  if (does === 'remove') return remove(values, attribute, value)
  const read = readValue(attribute, value)
  if (read === undefined) return remove(values, attribute, undefined)
  if (many && does === 'add')
    keepList(values, attribute, merged(listOf(values, attribute), read as Values[]))
  else if (type === 'complex' && !many)
    values[name] = { ...(values[name] as Values | undefined), ...(read as Values) }
  else values[name] = read
}

/** Removes an attribute; of a list, only what the value lists, if it lists anything. */
function remove(values: Values, attribute: Attribute, value: unknown): void {
  const { name, many, required } = attribute
  if (required || lasting.includes(name)) throw refusal('mutability', `${name} cannot be removed.`)
  if (!many || value === undefined || value === null) return void delete values[name]
  const gone = (readValue(attribute, value) ?? []) as Values[]
  const names = new Set(gone.map((one) => one['value']))
  keepList(
    values,
    attribute,
    listOf(values, attribute).filter((one) => !names.has(one['value'])),
  )
}

/** Changes the values of a list that a path names by a filter. */
function changeListed(
  list: Values[],
  attribute: Attribute,
  { does, place, value }: Omit<Change, 'named'>,
): Values[] {
  const { path, where } = place
  const parts = attribute.parts ?? []
  if (does === 'remove' && path.part === undefined)
    return list.filter((one) => !fits(where!, one, parts))
  const found = list.filter((one) => fits(where!, one, parts))
  if (does === 'remove') {
    for (const one of found) changePart(one, attribute, { does, part: path.part!, value })
    return list
  }
  const made = found.length > 0 ? undefined : saidBy(where!, parts)
  if (found.length === 0 && !made)
    throw refusal('noTarget', 'No value fits the filter of the path.')
  for (const one of made ? [made] : found)
    if (path.part !== undefined) changePart(one, attribute, { does, part: path.part, value })
    else Object.assign(one, readValue({ ...attribute, many: false }, value))
  return made ? [...list, made] : list
}

function changePart(
  whole: Values,
  { name, parts = [] }: Attribute,
  { does, part, value }: PartChange & { readonly part: string },
): void {
  const attribute = findAttribute(parts, part)
  if (!attribute) throw refusal('invalidPath', `${name} has no such part.`)
  const read = does === 'remove' ? undefined : readValue(attribute, value)
  if (read === undefined) delete whole[attribute.name]
  else whole[attribute.name] = read
}

/** Both lists; a value that is in both is taken from the second. */
function merged(list: readonly Values[], added: readonly Values[]): Values[] {
  const names = new Set(added.map((one) => one['value']))
  return [...list.filter((one) => !names.has(one['value'])), ...added]
}

function listOf(values: Values, { name }: Attribute): Values[] {
  return (values[name] ?? []) as Values[]
}

function keepList(values: Values, { name }: Attribute, list: readonly Values[]): void {
  const filled = list.filter((one) => Object.keys(one).length > 0)
  if (filled.length > 0) values[name] = filled
  else delete values[name]
}
