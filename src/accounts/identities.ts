import { newId } from '../lib/ids.ts'
import { onlyRow, prepared, type Db } from '../db/open.ts'
import type { ProofData } from '../providers/proof.ts'

/** A person at a provider, and whose account it is. */
export interface Identity {
  readonly id: string
  readonly userId: string
  /** `suspended`: signing in is refused, here or by the provider's word. `gone`: the account was deleted. */
  readonly owner: 'active' | 'suspended' | 'gone'
  /** Whether the organization has removed this person; signing in does not bring them back. */
  readonly removed: boolean
  /** Whether its directory did. */
  readonly deactivated: boolean
}

/** The key of an identity, all three compared byte for byte. An e-mail address is none of them. */
export type IdentityKey = Pick<ProofData, 'connectionId' | 'issuer' | 'subject'>

/**
 * The identity with that key and the standing of its owner, or undefined.
 * In a transaction the owner can be held (`hold`), so that nobody is suspended between this look and the commit.
 */
export async function findIdentity(
  db: Db,
  key: IdentityKey,
  { hold = false } = {},
): Promise<Identity | undefined> {
  const query = db
    .selectFrom('identities')
    .innerJoin('users', 'users.id', 'identities.user_id')
    .innerJoin('connections', 'connections.id', 'identities.connection_id')
    .leftJoin('memberships', (join) =>
      join
        .onRef('memberships.user_id', '=', 'identities.user_id')
        .onRef('memberships.organization_id', '=', 'connections.organization_id'),
    )
    .select([
      'identities.id',
      'identities.user_id',
      'identities.signal_disabled_at',
      'users.suspended_at',
      'users.deleted_at',
      'memberships.id as membership',
      'memberships.removed_at',
      'memberships.removed_reason',
    ])
    .where('identities.connection_id', '=', key.connectionId)
    .where('identities.issuer', '=', key.issuer)
    .where('identities.subject', '=', key.subject)
  const rows = await (
    hold
      ? query.forShare('users').modifyEnd(prepared('hold_identity'))
      : query.modifyEnd(prepared('find_identity'))
  ).execute()
  const row = onlyRow(rows)
  if (!row) return undefined
  return {
    id: row.id,
    userId: row.user_id,
    owner: row.deleted_at
      ? 'gone'
      : row.suspended_at || row.signal_disabled_at
        ? 'suspended'
        : 'active',
    removed: row.membership === null || row.removed_at !== null,
    deactivated: row.removed_reason === 'deactivated',
  }
}

/** Whether an account has an identity at a connection; it can have one there. */
export async function hasIdentityAt(
  db: Db,
  { userId, connectionId }: { readonly userId: string; readonly connectionId: string },
): Promise<boolean> {
  const found = await db
    .selectFrom('identities')
    .select('id')
    .where('user_id', '=', userId)
    .where('connection_id', '=', connectionId)
    .execute()
  return found.length > 0
}

/** What the provider last said of an identity. */
export async function readClaims(db: Db, id: string): Promise<ProofData['claims']> {
  const { claims } = await db
    .selectFrom('identities')
    .select('claims')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return claims as ProofData['claims']
}

/** Links an identity to an account, for good: the database refuses to move it. Answers the identity's id. */
export async function linkIdentity(
  db: Db,
  { key, userId, claims }: { key: IdentityKey; userId: string; claims: ProofData['claims'] },
  now: Date,
): Promise<string> {
  const id = newId()
  await db
    .insertInto('identities')
    .values({
      id,
      connection_id: key.connectionId,
      issuer: key.issuer,
      subject: key.subject,
      user_id: userId,
      claims: JSON.stringify(forDisplay(claims)),
      linked_at: now,
      last_verified_at: now,
      signed_in_at: now,
    })
    .execute()
  return id
}

/**
 * Notes that somebody has just signed in by this identity, with what the provider says of them now. It stays for as long
 * again, and is held until the commit. Answers false, and notes nothing, where the provider has disabled the account.
 */
export async function markVerified(
  db: Db,
  { id, claims }: { id: string; claims: ProofData['claims'] },
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('identities')
    .set({
      last_verified_at: now,
      signed_in_at: now,
      leaving_at: null,
      claims: JSON.stringify(forDisplay(claims)),
    })
    .where('id', '=', id)
    .where('signal_disabled_at', 'is', null)
    .modifyEnd(prepared('mark_verified'))
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** What is shown of a person. All else a provider said is read while they sign in, and kept nowhere. */
function forDisplay({ name, email, emailVerified }: ProofData['claims']): ProofData['claims'] {
  return {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    ...(emailVerified !== undefined && { emailVerified }),
  }
}
