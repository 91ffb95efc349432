import { listEmails } from '../accounts/emails.ts'
import { acceptInvitation, type Invitation } from '../accounts/invitations.ts'
import { foldEmail } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { letInPersonally } from '../sessions/personal-proofs.ts'
import { revoke, type Revoking } from '../sessions/revoke.ts'

/** How somebody can accept an invitation. */
export interface Acceptable {
  /** The organization lets its members in through its connections only. */
  readonly required: boolean
  /** Whoever is signed in has verified the address that was invited. */
  readonly ownAddress: boolean
}

/** How somebody can accept an invitation. @param userId who is signed in, if anybody is */
export async function howToAccept(
  db: Db,
  { organization, address }: Invitation,
  userId: string | undefined,
): Promise<Acceptable> {
  const { sso_required_since: since } = await db
    .selectFrom('organizations')
    .select('sso_required_since')
    .where('id', '=', organization.id)
    .executeTakeFirstOrThrow()
  const own = userId === undefined ? [] : await verifiedAddresses(db, userId)
  const folded = foldEmail(address)
  return { required: since !== null, ownAddress: own.some((one) => foldEmail(one) === folded) }
}

/**
 * Accepts an invitation for whoever is signed in, without any connection: they have verified the address. When it
 * returns, their sessions count for the organization on every node.
 * @throws AppError `invitation_invalid`; `forbidden` where the organization lets members in through its connections only
 */
export function acceptPersonally(
  revoking: Revoking,
  invitation: Invitation,
  { userId, requestId }: { readonly userId: string; readonly requestId: string },
  now: Date,
): Promise<void> {
  const { id, organization } = invitation
  const member = { organizationId: organization.id, userId }
  return revoke(revoking, async (tx) => {
    const { required } = await howToAccept(tx, invitation, userId)
    if (required) throw new AppError('forbidden', { reason: 'required_by_organization' })
    const addresses = await verifiedAddresses(tx, userId)
    await acceptInvitation(tx, { id, ...member, addresses, requestId }, now)
    await letInPersonally(tx, member, now)
    return { result: undefined, targets: [{ kind: 'user', id: userId }] }
  })
}

async function verifiedAddresses(db: Db, userId: string): Promise<readonly string[]> {
  const emails = await listEmails(db, userId)
  return emails.filter(({ verified }) => verified).map(({ address }) => address)
}
