import { sql } from 'kysely'
import { isId, newId } from '../lib/ids.ts'
import type { Db } from '../db/open.ts'

export interface NewUser {
  /** For display. */
  readonly name: string
  /** For display and mail; never a key. */
  readonly email?: string | undefined
}

/**
 * Makes a person and answers the new id. The address is kept as unverified, whatever a provider says of it: only
 * mail that reached it proves whose it is.
 */
export async function createUser(db: Db, { name, email }: NewUser, now: Date): Promise<string> {
  const id = newId()
  await db.insertInto('users').values({ id, name, kind: 'person', created_at: now }).execute()
  await addEmail(db, id, email)
  return id
}

/** What a guest is called where a name is needed; nobody is asked for one. */
const guestName = 'Guest'

/** Makes a guest and answers the new id: somebody whose work is kept for a while, and who may become a person. */
export async function createGuest(db: Db, now: Date): Promise<string> {
  const id = newId()
  await db
    .insertInto('users')
    .values({ id, name: guestName, kind: 'guest', created_at: now })
    .execute()
  return id
}

/** Whether an account is a guest's, and neither merged nor gone. Held until the transaction ends. */
export async function holdGuest(tx: Db, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('users')
    .select('id')
    .where('id', '=', id)
    .where('kind', '=', 'guest')
    .where('merged_into', 'is', null)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** Makes a person of a guest who is held: the same account under the same id. Their sessions are the caller's to end. */
export async function promoteGuest(
  tx: Db,
  { id, name, email }: NewUser & { readonly id: string },
): Promise<void> {
  await tx.updateTable('users').set({ kind: 'person', name }).where('id', '=', id).execute()
  await addEmail(tx, id, email)
}

/** Leaves a tombstone: whoever asks for `id` from now on is led to `into`, in one step however often this happens. */
export async function leaveTombstone(tx: Db, id: string, into: string): Promise<void> {
  await tx
    .updateTable('users')
    .set({ merged_into: into })
    .where((eb) => eb.or([eb('id', '=', id), eb('merged_into', '=', id)]))
    .execute()
}

/**
 * Whom an id stands for now: itself, or the account it was merged into. Null when there is nobody (any more).
 * For what an application has stored under a guest's id before the guest turned out to be somebody.
 */
export async function resolveUser(db: Db, id: string): Promise<string | null> {
  if (!isId(id)) return null
  const { rows } = await sql<{ id: string }>`
    select u.id from users asked join users u on u.id = coalesce(asked.merged_into, asked.id)
    where asked.id = ${id} and u.deleted_at is null`.execute(db)
  return rows[0]?.id ?? null
}

async function addEmail(db: Db, userId: string, email: string | undefined): Promise<void> {
  if (!email) return
  await db
    .insertInto('user_emails')
    .values({ user_id: userId, address: email, folded: foldEmail(email), is_primary: true })
    .execute()
}

/** Suspends a person: nobody signs in as them until they are restored. Their sessions are the caller's to end. */
export async function suspendUser(db: Db, userId: string, now: Date): Promise<void> {
  await db.updateTable('users').set({ suspended_at: now }).where('id', '=', userId).execute()
}

/** An address in the form in which two spellings of one mailbox are equal. */
export function foldEmail(address: string): string {
  return address.normalize('NFKC').toLowerCase()
}
