import { sql, type RawBuilder } from 'kysely'
import { isId } from '../lib/ids.ts'
import type { AttributePath, Comparison, Filter, Literal } from './filter.ts'
import { refusal } from './refusal.ts'

type Sql = RawBuilder<unknown>

/** Something that can be asked for. `text` is compared in any case, `name` byte for byte. */
export interface Field {
  readonly type: 'text' | 'name' | 'boolean' | 'time' | 'id'
  /** Where it is. Of a text, in lower case. */
  readonly at: Sql
}

/** A list of which values can be asked for. */
export interface List {
  /** What a value has, by name; `value` is what the list itself is compared with. */
  readonly parts: Readonly<Record<string, Field>>
  /** Whether the list has a value of which that is true. */
  readonly has: (condition: Sql) => Sql
}

/** What a filter may ask for; everything else is refused. */
export interface Filterable {
  /** The schema that names may begin with, in lower case. */
  readonly schema: string
  readonly fields: Readonly<Record<string, Field>>
  readonly lists: Readonly<Record<string, List>>
}

/**
 * A filter as a condition. Everything that came from outside is a parameter, and no pattern is made of it.
 * @throws AppError with `invalidFilter` where it asks for what cannot be asked for
 */
export function conditionOf(filter: Filter, what: Filterable): Sql {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const all = filter.of.map((one) => conditionOf(one, what))
      return sql`(${sql.join(all, filter.kind === 'and' ? sql` and ` : sql` or `)})`
    }
    case 'not':
      return sql`(${conditionOf(filter.of, what)}) is not true`
    case 'has':
      return test(filter.path, what, ({ at }) => sql`${at} is not null`)
    case 'compare':
      return test(filter.path, what, (field) => compared(field, filter.by, filter.with))
    case 'any': {
      const list = own(what.lists, nameOf(filter.path, what))
      if (!list) throw unknown()
      const inner: Filterable = { schema: what.schema, fields: list.parts, lists: {} }
      return list.has(conditionOf(filter.where, inner))
    }
  }
}

function test(path: AttributePath, what: Filterable, condition: (field: Field) => Sql): Sql {
  const name = nameOf(path, what)
  const field = own(what.fields, path.part === undefined ? name : `${name}.${path.part}`)
  if (field) return condition(field)
  const list = own(what.lists, name)
  const part = list && own(list.parts, path.part ?? 'value')
  if (!list || !part) throw unknown()
  return list.has(condition(part))
}

function nameOf({ schema, name }: AttributePath, what: Filterable): string {
  if (schema !== undefined && schema !== what.schema) throw unknown()
  return name
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

const operators: Readonly<Partial<Record<Comparison, Sql>>> = {
  gt: sql`>`,
  ge: sql`>=`,
  lt: sql`<`,
  le: sql`<=`,
}

function compared({ type, at }: Field, by: Comparison, literal: Literal): Sql {
  if (literal === null && (by === 'eq' || by === 'ne'))
    return by === 'eq' ? sql`${at} is null` : sql`${at} is not null`
  const value = parameter(type, literal)
  if (by === 'eq') return sql`${at} = ${value}`
  if (by === 'ne') return sql`${at} is distinct from ${value}`
  const operator = operators[by]
  if (operator && type !== 'boolean' && type !== 'id') return sql`${at} ${operator} ${value}`
  if (type !== 'text' && type !== 'name')
    throw refusal('invalidFilter', 'That attribute cannot be compared like that.')
  if (by === 'co') return sql`position(${value} in ${at}) > 0`
  return by === 'sw'
    ? sql`starts_with(${at}, ${value})`
    : sql`right(${at}, length(${value})) = ${value}`
}

function parameter(type: Field['type'], literal: Literal): Sql {
  const words = String(literal)
  switch (type) {
    case 'text':
      return sql`${words.normalize('NFKC').toLowerCase()}::text`
    case 'name':
      return sql`${words}::text`
    case 'boolean':
      if (words.toLowerCase() !== 'true' && words.toLowerCase() !== 'false') break
      return sql`${words.toLowerCase()}::boolean`
    case 'time':
      if (Number.isNaN(Date.parse(words))) break
      return sql`${new Date(words)}::timestamptz`
    case 'id':
      return sql`${isId(words) ? words : null}::uuid`
  }
  throw refusal('invalidFilter', 'That attribute has no such values.')
}

function unknown() {
  return refusal(
    'invalidFilter',
    'That attribute cannot be asked for; the documentation says which can.',
  )
}
