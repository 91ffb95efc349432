import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { isId, newId } from '../lib/ids.ts'
import type { KnownPasskey, NewPasskey } from '../providers/passkeys.ts'
import { recordEvent } from './audit.ts'
import { hasOtherWayIn, holdPerson } from './ways-in.ts'

/** One of a person's passkeys, as they see it. */
export interface Passkey {
  readonly id: string
  readonly name: string
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
  /** Whether it is copied between the person's devices. */
  readonly backedUp: boolean
}

/** More than anybody has devices. */
const most = 20

/** A person's passkeys, the oldest first. */
export async function listPasskeys(db: Db, userId: string): Promise<readonly Passkey[]> {
  return passkeyRows(db, userId).orderBy('created_at').execute()
}

/** One of a person's passkeys; anybody else's does not exist. */
export async function findOwnPasskey(
  db: Db,
  userId: string,
  id: string,
): Promise<Passkey | undefined> {
  return isId(id) ? passkeyRows(db, userId).where('id', '=', id).executeTakeFirst() : undefined
}

function passkeyRows(db: Db, userId: string) {
  return db
    .selectFrom('passkeys')
    .select([
      'id',
      'name',
      'created_at as createdAt',
      'last_used_at as lastUsedAt',
      'backed_up as backedUp',
    ])
    .where('user_id', '=', userId)
}

/** What authenticators call a person's passkeys, base64url. */
export async function listCredentialIds(db: Db, userId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('passkeys')
    .select('credential_id')
    .where('user_id', '=', userId)
    .execute()
  return rows.map(({ credential_id }) => credential_id.toString('base64url'))
}

/** The passkey an authenticator speaks of. @param credentialId base64url */
export async function findPasskey(db: Db, credentialId: string): Promise<KnownPasskey | undefined> {
  const row = await db
    .selectFrom('passkeys')
    .select(['id', 'user_id', 'public_key', 'sign_count'])
    .where('credential_id', '=', Buffer.from(credentialId, 'base64url'))
    .executeTakeFirst()
  if (!row) return undefined
  const { id, user_id: userId, public_key: publicKey, sign_count: count } = row
  return { id, userId, credentialId, publicKey, counter: Number(count) }
}

/** Whose passkey it is, or undefined when it has been removed. */
export interface PasskeyOwner {
  readonly userId: string
  readonly name: string
  readonly owner: 'active' | 'suspended' | 'gone'
}

/** The person a passkey belongs to. In a transaction the person can be held (`hold`) until the commit. */
export async function findPasskeyOwner(
  db: Db,
  id: string,
  { hold = false } = {},
): Promise<PasskeyOwner | undefined> {
  const query = db
    .selectFrom('passkeys')
    .innerJoin('users', 'users.id', 'passkeys.user_id')
    .select(['users.id', 'users.name', 'users.suspended_at', 'users.deleted_at'])
    .where('passkeys.id', '=', id)
  const row = await (hold ? query.forShare('users') : query).executeTakeFirst()
  return (
    row && {
      userId: row.id,
      name: row.name,
      owner: row.deleted_at ? 'gone' : row.suspended_at ? 'suspended' : 'active',
    }
  )
}

/**
 * Adds a passkey to an account and answers its id.
 * @throws AppError `passkey_refused` when there are too many; a duplicate of `passkeys_credential_id_key` when some
 * account has it already
 */
export async function addPasskey(
  tx: Db,
  { userId, name, made }: { userId: string; name: string; made: NewPasskey },
  now: Date,
): Promise<string> {
  await holdPerson(tx, userId)
  const passkeys = await listPasskeys(tx, userId)
  if (passkeys.length >= most) throw new AppError('passkey_refused', { reason: 'too_many' })
  const id = newId()
  await tx
    .insertInto('passkeys')
    .values({
      id,
      user_id: userId,
      credential_id: Buffer.from(made.credentialId, 'base64url'),
      public_key: Buffer.from(made.publicKey),
      sign_count: String(made.counter),
      transports: [...made.transports],
      backed_up: made.backedUp,
      name,
      created_at: now,
    })
    .execute()
  return id
}

/**
 * Notes that a passkey was used. Of two uses at once the one that counts higher wins.
 * @throws AppError `passkey_refused` when it has been used further meanwhile, or removed
 */
export async function markPasskeyUsed(
  tx: Db,
  { id, counter }: { id: string; counter: number },
  now: Date,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('passkeys')
    .set({ sign_count: String(counter), last_used_at: now })
    .where('id', '=', id)
    .where((eb) =>
      eb.or([
        eb('sign_count', '<', String(counter)),
        eb.and([eb('sign_count', '=', '0'), eb.lit(counter === 0)]),
      ]),
    )
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) throw new AppError('passkey_refused', { reason: 'counter_went_back' })
}

/** Renames one of a person's passkeys. Answers whether there was one. */
export async function renamePasskey(
  db: Db,
  { userId, id, name, requestId }: { userId: string; id: string; name: string; requestId: string },
  now: Date,
): Promise<boolean> {
  if (!isId(id)) return false
  const { numUpdatedRows } = await db
    .updateTable('passkeys')
    .set({ name })
    .where('id', '=', id)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  await recordEvent(db, { action: 'passkey.renamed', actorId: userId, target: id, requestId }, now)
  return true
}

/**
 * Removes one of a person's passkeys; the sessions that began with it are the caller's to end. Answers whether there
 * was one. Whoever takes away several ways in at once does so one after the other, so that one is left.
 * @throws AppError `last_credential` when there is no other way in
 */
export async function removePasskey(
  tx: Db,
  { userId, id, requestId }: { userId: string; id: string; requestId: string },
  now: Date,
): Promise<boolean> {
  await holdPerson(tx, userId)
  if (!(await findOwnPasskey(tx, userId, id))) return false
  if (!(await hasOtherWayIn(tx, userId, { passkeyId: id, personally: true })))
    throw new AppError('last_credential')
  await tx.deleteFrom('passkeys').where('id', '=', id).execute()
  await recordEvent(tx, { action: 'passkey.removed', actorId: userId, target: id, requestId }, now)
  return true
}
