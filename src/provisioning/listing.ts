import { readAttributePath, parseFilter, type Filter } from './filter.ts'
import { refusal } from './refusal.ts'
import type { Values } from './values.ts'
import { urn } from './attributes.ts'

/** The most resources of one answer, and how many there are where nobody says. */
export const mostListed = 200
const usuallyListed = 100

/** Which resources are asked for (RFC 7644 §3.4.2). */
export interface Listing {
  readonly filter: Filter | undefined
  /** Counted from 1. */
  readonly startIndex: number
  readonly count: number
}

/** Some of the resources that were asked for. */
export interface Page<Resource> {
  readonly total: number
  readonly resources: readonly Resource[]
}

/** @throws AppError with `invalidFilter`, `invalidValue` */
export function readListing(query: URLSearchParams): Listing {
  const filter = query.get('filter')
  return {
    filter: filter === null ? undefined : parseFilter(filter),
    startIndex: Math.max(1, readNumber(query, 'startIndex', 1)),
    count: Math.min(mostListed, Math.max(0, readNumber(query, 'count', usuallyListed))),
  }
}

/** The furthest that anybody pages to. */
const furthest = 10_000_000

function readNumber(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name)
  if (text === null || text === '') return otherwise
  const number = Number(text)
  if (!Number.isInteger(number)) throw refusal('invalidValue', `${name} is a whole number.`)
  return Math.min(number, name === 'startIndex' ? furthest : Number.MAX_SAFE_INTEGER)
}

/** A page as an answer lists it. */
export function listed(
  { startIndex }: Listing,
  { total, resources }: Page<Values>,
  shown: (resource: Values) => Values,
): Values {
  return {
    schemas: [urn.list],
    totalResults: total,
    startIndex,
    itemsPerPage: resources.length,
    Resources: resources.map(shown),
  }
}

/** What is there in any case. */
const always = ['schemas', 'id']

/** How many names `attributes` may list. */
const mostNames = 50

/**
 * Leaves out of a resource what was not asked for (RFC 7644 §3.9).
 * @throws AppError with `invalidValue`
 */
export function projection(query: URLSearchParams): (resource: Values) => Values {
  const only = readNames(query.get('attributes'))
  if (only) return (resource) => pick(resource, only)
  const without = readNames(query.get('excludedAttributes'))
  return without ? (resource) => omit(resource, without) : (resource) => resource
}

/** Whether an answer has an attribute in it; for what costs something to find out. */
export function isAskedFor(query: URLSearchParams, name: string): boolean {
  return name in projection(query)({ [name]: [{}] })
}

interface Name {
  readonly whole: string
  /** Its parts that are meant; null: all of it. */
  readonly parts: readonly string[] | null
}

function readNames(text: string | null): readonly Name[] | undefined {
  if (text === null || text === '') return undefined
  const words = text.split(',').map((word) => word.trim())
  if (words.length > mostNames) throw refusal('invalidValue', `There can be ${mostNames} names.`)
  return words.filter(Boolean).map((word) => {
    const lower = word.toLowerCase()
    if (lower === urn.enterprise.toLowerCase()) return { whole: lower, parts: null }
    const path = readAttributePath(word)
    if (!path) throw refusal('invalidValue', 'What is asked for are names of attributes.')
    const { schema, name, part } = path
    if (schema === urn.enterprise.toLowerCase()) return { whole: schema, parts: [name] }
    return { whole: name, parts: part === undefined ? null : [part] }
  })
}

function pick(resource: Values, names: readonly Name[]): Values {
  const entries = Object.entries(resource).flatMap(([key, value]) => {
    if (always.includes(key)) return [[key, value]]
    const meant = names.filter(({ whole }) => whole === key.toLowerCase())
    if (meant.length === 0) return []
    if (meant.some(({ parts }) => parts === null)) return [[key, value]]
    const parts = meant.flatMap((one) => one.parts ?? [])
    return [[key, partsOf(value, (part) => parts.includes(part.toLowerCase()))]]
  })
  return Object.fromEntries(entries)
}

function omit(resource: Values, names: readonly Name[]): Values {
  const entries = Object.entries(resource).flatMap(([key, value]) => {
    const meant = names.filter(({ whole }) => whole === key.toLowerCase())
    if (always.includes(key) || meant.length === 0) return [[key, value]]
    if (meant.some(({ parts }) => parts === null)) return []
    const parts = meant.flatMap((one) => one.parts ?? [])
    return [[key, partsOf(value, (part) => !parts.includes(part.toLowerCase()))]]
  })
  return Object.fromEntries(entries)
}

function partsOf(value: unknown, keeps: (part: string) => boolean): unknown {
  if (Array.isArray(value)) return value.map((one) => partsOf(one, keeps))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([part]) => keeps(part)))
}
