import { sql, type RawBuilder } from 'kysely'
import type { Db } from '../db/open.ts'
import { newId } from '../lib/ids.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { recordEvent } from './audit.ts'

/** How many codes an owner gets at a time. */
export const codesAtOnce = 10

/** Crockford's alphabet: no letter that looks like another or like a digit. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** What people write instead of what was printed. */
const meant: Readonly<Record<string, string>> = { o: '0', i: '1', l: '1' }

/** A new code: 16 characters, 80 bits, in groups that can be read out. */
function newCode(): string {
  const letters = Array.from(
    Buffer.from(randomToken(16), 'base64url'),
    (byte) => alphabet[byte % alphabet.length],
  )
  return letters.join('').replace(/(.{4})(?=.)/g, '$1-')
}

/** A code as it is hashed, however it was written; undefined for what cannot be one. */
function normalCode(written: string): string | undefined {
  if (written.length > 64) return undefined
  const letters = written
    .toLowerCase()
    .replace(/[\s-]/g, '')
    .replace(/[oil]/g, (one) => meant[one]!)
  return /^[0-9a-z]{16}$/.test(letters) ? letters : undefined
}

/** An owner of an organization, as far as codes go. */
export interface CodeHolder {
  readonly organizationId: string
  readonly userId: string
}

/**
 * Gives an owner new codes in the place of all they had, used or not. They are shown once; what is kept are hashes.
 * Call it for somebody whose ownership has just been checked.
 */
export async function makeRecoveryCodes(
  tx: Db,
  { organizationId, userId, requestId }: CodeHolder & { readonly requestId: string },
  now: Date,
): Promise<readonly string[]> {
  // Two requests at once would leave both their codes.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`codes ${organizationId} ${userId}`}, 0))`.execute(
    tx,
  )
  await tx
    .deleteFrom('recovery_codes')
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .execute()
  const codes = Array.from({ length: codesAtOnce }, newCode)
  await tx
    .insertInto('recovery_codes')
    .values(
      codes.map((code) => ({
        id: newId(),
        organization_id: organizationId,
        user_id: userId,
        code_hash: hashToken(normalCode(code)!),
        created_at: now,
      })),
    )
    .execute()
  const event = { organizationId, actorId: userId, target: userId, requestId }
  await recordEvent(
    tx,
    { action: 'recovery.codes_made', ...event, data: { count: codes.length } },
    now,
  )
  return codes
}

/** Uses up one of an owner's codes. Answers whether it was one of theirs, for this organization, and not used before. */
export async function takeRecoveryCode(
  tx: Db,
  { organizationId, userId, code }: CodeHolder & { readonly code: string },
  now: Date,
): Promise<boolean> {
  const normal = normalCode(code)
  if (!normal) return false
  const { numUpdatedRows } = await tx
    .updateTable('recovery_codes')
    .set({ used_at: now })
    .where('code_hash', '=', hashToken(normal))
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('used_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** What an owner has left. */
export interface CodesLeft {
  readonly left: number
  readonly madeAt: Date | null
}

/** How many unused codes an owner has. */
export async function countRecoveryCodes(
  db: Db,
  { organizationId, userId }: CodeHolder,
): Promise<CodesLeft> {
  const { rows } = await sql<CodesLeft>`
    select count(*) filter (where used_at is null)::int as left, max(created_at) as "madeAt"
    from recovery_codes where organization_id = ${organizationId} and user_id = ${userId}`.execute(
    db,
  )
  return rows[0]!
}

/** Whether somebody can sign in without any organization: by a verified address or a passkey. A code needs that first. */
export async function hasPersonalWay(db: Db, userId: string): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select ${personalWay(sql`${userId}::uuid`)} as has`.execute(db)
  return rows[0]!.has
}

/** Whether some owner of an organization could use a code: has one left, and a way to sign in by themself. */
export async function canRecover(db: Db, organizationId: string): Promise<boolean> {
  const { rows } = await sql<{ can: boolean }>`
    select exists (
      select from recovery_codes r
      join memberships m on m.organization_id = r.organization_id and m.user_id = r.user_id
        and m.role = 'owner' and m.removed_at is null and m.link_state <> 'revoked'
      join users u on u.id = m.user_id and u.deleted_at is null and u.suspended_at is null
      where r.organization_id = ${organizationId} and r.used_at is null and ${personalWay(sql.ref('u.id'))}
    ) as can`.execute(db)
  return rows[0]!.can
}

function personalWay(user: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
    exists (select from user_emails e where e.user_id = ${user} and e.verified_at is not null)
    or exists (select from passkeys k where k.user_id = ${user}))`
}
