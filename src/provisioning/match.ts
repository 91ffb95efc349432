import { findAttribute, type Attribute } from './attributes.ts'
import type { Comparison, Filter, Literal } from './filter.ts'
import { refusal } from './refusal.ts'
import type { Values } from './values.ts'

/**
 * Whether one value of a list is among those that a path names.
 * @throws AppError with `invalidPath` where the path asks for what such values do not have
 */
export function fits(filter: Filter, value: Values, parts: readonly Attribute[]): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.of.every((one) => fits(one, value, parts))
    case 'or':
      return filter.of.some((one) => fits(one, value, parts))
    case 'not':
      return !fits(filter.of, value, parts)
    case 'has':
      return value[partOf(filter.path.name, parts).name] !== undefined
    case 'compare': {
      const part = partOf(filter.path.name, parts)
      return compares(filter.by, value[part.name], filter.with, part)
    }
    case 'any':
      throw noSuchPart()
  }
}

/** What a filter says of every value that fits it, where it says nothing but that; for making one that fits. */
export function saidBy(filter: Filter, parts: readonly Attribute[]): Values | undefined {
  if (filter.kind === 'compare' && filter.by === 'eq' && filter.with !== null) {
    const { name, type } = partOf(filter.path.name, parts)
    return { [name]: type === 'boolean' ? isTrue(filter.with) : String(filter.with) }
  }
  if (filter.kind !== 'and') return undefined
  const all = filter.of.map((one) => saidBy(one, parts))
  return all.includes(undefined) ? undefined : Object.assign({}, ...all)
}

function partOf(name: string, parts: readonly Attribute[]): Attribute {
  const part = findAttribute(parts, name)
  if (!part) throw noSuchPart()
  return part
}

function noSuchPart() {
  return refusal('invalidPath', 'The values of that attribute have no such part.')
}

const tests: Readonly<Record<Comparison, (a: string, b: string) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  co: (a, b) => a.includes(b),
  sw: (a, b) => a.startsWith(b),
  ew: (a, b) => a.endsWith(b),
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
}

function compares(by: Comparison, found: unknown, wanted: Literal, part: Attribute): boolean {
  if (part.type === 'boolean') {
    const same = (found === true) === isTrue(wanted)
    return by === 'eq' ? same : by === 'ne' && !same
  }
  if (typeof found !== 'string' || wanted === null)
    return by === 'eq' ? found === undefined && wanted === null : by === 'ne'
  const spell = (text: string) => (part.caseExact ? text : text.toLowerCase())
  return tests[by](spell(found), spell(String(wanted)))
}

function isTrue(literal: Literal): boolean {
  return String(literal).toLowerCase() === 'true'
}
