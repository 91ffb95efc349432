import { newId } from '../lib/ids.ts'
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
  if (email)
    await db
      .insertInto('user_emails')
      .values({ user_id: id, address: email, folded: foldEmail(email), is_primary: true })
      .execute()
  return id
}

/** Suspends a person: nobody signs in as them until they are restored. Their sessions are the caller's to end. */
export async function suspendUser(db: Db, userId: string, now: Date): Promise<void> {
  await db.updateTable('users').set({ suspended_at: now }).where('id', '=', userId).execute()
}

/** An address in the form in which two spellings of one mailbox are equal. */
export function foldEmail(address: string): string {
  return address.normalize('NFKC').toLowerCase()
}
