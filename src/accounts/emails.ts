import { isDuplicate, type Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { foldEmail } from './users.ts'

/** An address of an account. Only a verified one is a key, and gets mail. */
export interface Email {
  readonly address: string
  readonly verified: boolean
  readonly primary: boolean
}

/** A person's addresses, the primary one first. */
export async function listEmails(db: Db, userId: string): Promise<readonly Email[]> {
  const rows = await db
    .selectFrom('user_emails')
    .select(['address', 'verified_at', 'is_primary'])
    .where('user_id', '=', userId)
    .orderBy('is_primary', 'desc')
    .orderBy('folded')
    .execute()
  return rows.map(({ address, verified_at, is_primary }) => ({
    address,
    verified: verified_at !== null,
    primary: is_primary,
  }))
}

/** Where mail about somebody's account goes: their primary address if it is verified, else another that is. */
export async function mailableAddress(db: Db, userId: string): Promise<string | undefined> {
  const emails = await listEmails(db, userId)
  return emails.find(({ verified }) => verified)?.address
}

/** Whose account has verified an address. */
export interface EmailOwner {
  readonly userId: string
  readonly name: string
  readonly owner: 'active' | 'suspended' | 'gone'
  /** As it was verified: another spelling might be another mailbox. */
  readonly address: string
}

/**
 * Whose account has verified that address, or undefined. One that is merely claimed is nobody's.
 * In a transaction the owner can be held (`hold`), so that nobody is suspended between this look and the commit.
 */
export async function findEmailOwner(
  db: Db,
  address: string,
  { hold = false } = {},
): Promise<EmailOwner | undefined> {
  const query = db
    .selectFrom('user_emails')
    .innerJoin('users', 'users.id', 'user_emails.user_id')
    .select([
      'users.id',
      'users.name',
      'users.suspended_at',
      'users.deleted_at',
      'user_emails.address',
    ])
    .where('user_emails.folded', '=', foldEmail(address))
    .where('user_emails.verified_at', 'is not', null)
  const row = await (hold ? query.forShare('users') : query).executeTakeFirst()
  if (!row) return undefined
  return {
    userId: row.id,
    name: row.name,
    owner: row.deleted_at ? 'gone' : row.suspended_at ? 'suspended' : 'active',
    address: row.address,
  }
}

/**
 * Writes down that mail to an address reached this person.
 * @throws AppError `address_taken` when another account has verified it
 */
export async function markEmailVerified(
  tx: Db,
  { userId, address }: { userId: string; address: string },
  now: Date,
): Promise<void> {
  const owner = await findEmailOwner(tx, address)
  if (owner?.userId === userId) return
  if (owner) throw new AppError('address_taken')
  try {
    await addVerifiedEmail(tx, { userId, address, primary: false }, now)
  } catch (error) {
    if (!isDuplicate(error, 'user_emails_verified')) throw error
    throw new AppError('address_taken', { cause: error })
  }
}

/**
 * Adds an address to an account as verified, or makes the one that is there so.
 * @throws a duplicate of `user_emails_verified` when another account has verified it
 */
export async function addVerifiedEmail(
  tx: Db,
  { userId, address, primary }: { userId: string; address: string; primary: boolean },
  now: Date,
): Promise<void> {
  const verified = { address, verified_at: now }
  await tx
    .insertInto('user_emails')
    .values({ user_id: userId, folded: foldEmail(address), is_primary: primary, ...verified })
    .onConflict((conflict) => conflict.columns(['user_id', 'folded']).doUpdateSet(verified))
    .execute()
}
