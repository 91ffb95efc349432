import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/** What is about to be taken away from an account. */
export interface WayOut {
  readonly passkeyId?: string
  readonly identityId?: string
  /** Whether people may sign in without an organization, so that passkeys and addresses count. */
  readonly personally: boolean
}

const none = '00000000-0000-0000-0000-000000000000'

/** Whether a person can still sign in without it: by a passkey, a verified address, or an organization's provider. */
export async function hasOtherWayIn(
  tx: Db,
  userId: string,
  { passkeyId = none, identityId = none, personally }: WayOut,
): Promise<boolean> {
  const { rows } = await sql<{ left: boolean }>`
    select (${personally} and (
      exists (select from passkeys where user_id = ${userId} and id <> ${passkeyId})
      or exists (select from user_emails where user_id = ${userId} and verified_at is not null)
    )) or exists (
      select from identities i
      join connections c on c.id = i.connection_id and c.state = 'active' and c.deleted_at is null
      join organizations o on o.id = c.organization_id and o.deleted_at is null
      join memberships m on m.organization_id = o.id and m.user_id = i.user_id and m.removed_at is null
      where i.user_id = ${userId} and i.id <> ${identityId}
    ) as left`.execute(tx)
  return rows[0]!.left
}

/** Holds an account until the commit, so that whoever takes away several ways in does so one after the other. */
export async function holdPerson(tx: Db, userId: string): Promise<void> {
  await tx.selectFrom('users').select('id').where('id', '=', userId).forUpdate().execute()
}
