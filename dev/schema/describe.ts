import { sql } from 'kysely'
import type { Db } from '../../src/db/open.ts'

interface Column {
  table: string
  name: string
  type: string
  notNull: boolean
  default: string | null
  identity: boolean
  collation: string | null
}

interface Named {
  table: string
  definition: string
}

const typescript: Record<string, string> = {
  uuid: 'string',
  text: 'string',
  inet: 'string',
  bytea: 'Buffer',
  boolean: 'boolean',
  integer: 'number',
  bigint: 'string',
  jsonb: 'Json',
  'text[]': 'string[]',
  'timestamp with time zone': 'Date',
}

/** Reads the finished schema out of a migrated database, as one readable SQL file and as Kysely's types. */
export async function describeSchema(db: Db): Promise<{ sql: string; types: string }> {
  const { rows: columns } = await sql<Column>`
    select c.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
      a.attnotnull as "notNull", pg_get_expr(d.adbin, d.adrelid) as "default", a.attidentity <> '' as identity,
      case when a.attcollation <> t.typcollation then (select collname from pg_collation where oid = a.attcollation) end as collation
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relname not like 'kysely_%'
    order by c.relname, a.attnum`.execute(db)
  const { rows: constraints } = await sql<Named>`
    select conrelid::regclass::text as "table", 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) as definition
    from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid <> 0 and contype <> 'n' and conrelid::regclass::text not like 'kysely_%'
    order by 1, contype desc, conname`.execute(db)
  const { rows: indexes } = await sql<Named>`
    select tablename as "table", indexdef as definition from pg_indexes i
    where schemaname = 'public' and tablename not like 'kysely_%'
      and not exists (select from pg_constraint where conname = i.indexname)
    order by 1, indexname`.execute(db)
  const { rows: triggers } = await sql<Named>`
    select tgrelid::regclass::text as "table", pg_get_triggerdef(oid) as definition
    from pg_trigger where not tgisinternal order by 1, tgname`.execute(db)

  const tables = [...new Set(columns.map(({ table }) => table))]
  const of = <T extends { table: string }>(rows: readonly T[], table: string) =>
    rows.filter((row) => row.table === table)
  return {
    sql: tables
      .map((table) =>
        tableSql(table, of(columns, table), of(constraints, table), [
          ...of(indexes, table),
          ...of(triggers, table),
        ]),
      )
      .join('\n'),
    types: typesFile(tables, columns),
  }
}

function tableSql(table: string, columns: Column[], constraints: Named[], rest: Named[]): string {
  const lines = [
    ...columns.map(({ name, type, notNull, default: fallback, collation }) =>
      [
        `  ${name} ${type}`,
        collation && `collate "${collation}"`,
        notNull && 'not null',
        fallback && `default ${fallback}`,
      ]
        .filter(Boolean)
        .join(' '),
    ),
    ...constraints.map(({ definition }) => `  ${definition}`),
  ]
  const after = rest.map(({ definition }) => `${definition.replaceAll('public.', '')};\n`).join('')
  return `create table ${table} (\n${lines.join(',\n')}\n);\n${after}`
}

function typesFile(tables: string[], columns: Column[]): string {
  const body = tables.map((table) => {
    const fields = columns
      .filter((column) => column.table === table)
      .map(({ name, type, notNull, default: fallback, identity }) => {
        const base = typescript[type]
        if (!base)
          throw new Error(
            `dev/schema/describe.ts does not know the type ${type} of ${table}.${name}`,
          )
        const full = notNull ? base : `${base} | null`
        const made = fallback !== null || identity
        // Kysely cannot nest one column type in another.
        if (made && base === 'Json') return `  ${name}: JsonWithDefault\n`
        return `  ${name}: ${made ? `Generated<${full}>` : full}\n`
      })
    return `export interface ${pascal(table)} {\n${fields.join('')}}\n`
  })
  const index = tables.map((table) => `  ${table}: ${pascal(table)}\n`).join('')
  return `// Made by \`npm run schema\` from the migrations. Do not edit.
import type { ColumnType, Generated } from 'kysely'

/** Read as parsed JSON, written as its text. */
export type Json = ColumnType<unknown, string, string>
export type JsonWithDefault = ColumnType<unknown, string | undefined, string>

${body.join('\n')}
export interface DB {
${index}}
`
}

function pascal(table: string): string {
  return table
    .split('_')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('')
}
