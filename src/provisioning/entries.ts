import { sql, type RawBuilder } from 'kysely'
import type { Directory } from '../accounts/scim-tokens.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { enterpriseSchema, urn } from './attributes.ts'
import { conditionOf, type Field, type Filterable } from './filter-sql.ts'
import type { Listing, Page } from './listing.ts'
import type { Values } from './values.ts'
import { tagOf } from './versions.ts'

/** What a directory has said of one person, as it is stored. */
export interface Entry {
  readonly id: string
  readonly userName: string
  readonly externalId: string | null
  readonly subject: string | null
  readonly active: boolean
  /** The other attributes. */
  readonly attributes: Values
  /** Whose account it is about; null: nobody has signed in as this person yet. */
  readonly userId: string | null
  readonly version: number
  readonly createdAt: Date
  readonly changedAt: Date
  readonly groups: readonly { readonly value: string; readonly display: string }[]
}

/** One of a directory's people. @throws AppError `not_found` for anybody else's, as if there were none */
export async function readEntry(db: Db, directory: Directory, id: string): Promise<Entry> {
  const { rows } = isId(id)
    ? await entryRows(directory, sql`r.id = ${id}`).execute(db)
    : { rows: [] }
  if (!rows[0]) throw new AppError('not_found', { reason: 'scim: no_such_user' })
  return rows[0]
}

/** A directory's people, oldest first, a page at a time. */
export async function listEntries(
  db: Db,
  directory: Directory,
  { filter, startIndex, count }: Listing,
): Promise<Page<Entry>> {
  const condition = filter ? conditionOf(filter, askable) : sql`true`
  const { rows: all } = await sql<{ total: number }>`
    select count(*)::int as total from scim_users r
    where r.connection_id = ${directory.connectionId} and r.deleted_at is null and ${condition}`.execute(
    db,
  )
  const page = sql`${condition} order by r.created_at, r.id limit ${count} offset ${startIndex - 1}`
  const { rows: resources } =
    count === 0 ? { rows: [] } : await entryRows(directory, page).execute(db)
  return { total: all[0]!.total, resources }
}

function entryRows({ connectionId }: Directory, which: RawBuilder<unknown>): RawBuilder<Entry> {
  return sql<Entry>`
    select r.id, r.user_name as "userName", r.external_id as "externalId", r.subject, r.active, r.attributes,
      r.user_id as "userId", r.version, r.created_at as "createdAt", r.changed_at as "changedAt",
      coalesce((select json_agg(json_build_object('value', g.id, 'display', g.display_name) order by g.display_name)
        from scim_group_members m join scim_groups g on g.id = m.group_id where m.scim_user_id = r.id), '[]') as groups
    from scim_users r where r.connection_id = ${connectionId} and r.deleted_at is null and ${which}`
}

const of = (type: Field['type'], at: RawBuilder<unknown>): Field => ({ type, at })

/** Of a list in `attributes`: whether one of its values is such. */
const listIn = (name: string) => ({
  parts: {
    value: of('text', sql`lower(e ->> 'value')`),
    type: of('text', sql`lower(e ->> 'type')`),
    primary: of('boolean', sql`(e ->> 'primary')::boolean`),
  },
  has: (condition: RawBuilder<unknown>) =>
    sql`exists (select from jsonb_array_elements(coalesce(r.attributes -> ${name}::text, '[]')) e where ${condition})`,
})

const named = (...path: string[]) => of('text', sql`lower(r.attributes #>> ${path}::text[])`)

/** What can be asked about people. */
const askable: Filterable = {
  schema: urn.user.toLowerCase(),
  fields: {
    id: of('id', sql`r.id`),
    username: of('text', sql`r.folded`),
    externalid: of('name', sql`r.external_id`),
    active: of('boolean', sql`r.active`),
    displayname: named('displayName'),
    'name.givenname': named('name', 'givenName'),
    'name.familyname': named('name', 'familyName'),
    'meta.created': of('time', sql`r.created_at`),
    'meta.lastmodified': of('time', sql`r.changed_at`),
  },
  lists: {
    emails: listIn('emails'),
    groups: {
      parts: {
        value: of('id', sql`m.group_id`),
      },
      has: (condition) =>
        sql`exists (select from scim_group_members m where m.scim_user_id = r.id and ${condition})`,
    },
  },
}

/** An entry in the shape in which a directory sends it; what is ours alone is in it too, so that it can be compared. */
export function valuesOf({ id, userName, externalId, active, attributes, groups }: Entry): Values {
  return {
    id,
    ...(externalId !== null && { externalId }),
    userName,
    active,
    ...attributes,
    ...(groups.length > 0 && { groups }),
  }
}

/** An entry as it is shown. @param base where the directory's resources are */
export function shownEntry(entry: Entry, base: string): Values {
  const { id, version, createdAt, changedAt, groups, attributes } = entry
  const location = `${base}/Users/${id}`
  const shown = groups.map((one) => ({
    ...one,
    type: 'direct',
    $ref: `${base}/Groups/${one.value}`,
  }))
  const extended = enterpriseSchema.id in attributes
  return {
    schemas: extended ? [urn.user, urn.enterprise] : [urn.user],
    ...valuesOf(entry),
    ...(shown.length > 0 && { groups: shown }),
    meta: {
      resourceType: 'User',
      created: createdAt.toISOString(),
      lastModified: changedAt.toISOString(),
      location,
      version: tagOf(version),
    },
  }
}
