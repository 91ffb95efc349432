import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import type { Connection } from '../accounts/connections.ts'
import { countUse } from '../db/limits.ts'
import { createInvitation, type InvitationRefused } from '../accounts/invitations.ts'
import type { Organization, Role } from '../accounts/organizations.ts'
import { foldEmail } from '../accounts/users.ts'
import { useOnce } from '../db/used-once.ts'
import type { Db } from '../db/open.ts'
import { hours, later } from '../lib/clock.ts'
import type { Outbox } from '../mails/outbox.ts'

/** What mailing an organization's members takes. */
export interface OrganizationMailServices {
  readonly sendMail: Outbox
  readonly origin: string
}

/** Whose act a mail tells of. */
export interface Sender {
  readonly userId: string
  readonly name: string
  readonly requestId?: string | undefined
}

/**
 * Invites an address, and mails it, in one transaction.
 * @throws AppError `rate_limited`
 */
export async function inviteByMail(
  tx: Db,
  { sendMail, origin }: OrganizationMailServices,
  invited: { readonly organization: Organization; readonly address: string; readonly role: Role },
  sender: Sender,
  now: Date,
): Promise<InvitationRefused | null> {
  const { organization, address, role } = invited
  const { userId: invitedBy, name: by, requestId } = sender
  const made = await createInvitation(
    tx,
    { organizationId: organization.id, address, role, invitedBy, requestId },
    now,
  )
  if ('refused' in made) return made.refused
  await countUse(tx, 'invitations_of_organization', organization.id, now)
  await countUse(tx, 'mails_to_address', foldEmail(address), now)
  const link = `${origin}/invitations/${made.token}`
  const until = made.expiresAt.toISOString()
  const data = { origin, organization: organization.name, by, role, link, until }
  await sendMail(tx, 'invitation', address, data, made.expiresAt)
  return null
}

/** How many were mailed, and how many have no address that they have verified. */
export interface LinkMailsSent {
  readonly mailed: number
  readonly unreachable: number
}

/** Nobody is told to link their account twice within this time, in milliseconds. */
const linkMailEvery = hours(24)

/**
 * Mails members how to link their account to a connection, in the transaction that causes it (S0-20). Nobody is mailed
 * twice a day about the same one.
 * @param options `moving`: also those who are linked through another connection, and not through this one
 */
export async function mailUnlinked(
  tx: Db,
  { sendMail, origin }: OrganizationMailServices,
  connection: Pick<Connection, 'id' | 'name' | 'organization'>,
  sender: Sender | null,
  now: Date,
  { moving = false } = {},
): Promise<LinkMailsSent> {
  const { organization } = connection
  const { rows } = await sql<{ userId: string; address: string | null }>`
    select m.user_id as "userId", e.address
    from memberships m
    join users u on u.id = m.user_id and u.deleted_at is null and u.suspended_at is null
    left join lateral (select address from user_emails e where e.user_id = u.id and e.verified_at is not null
      order by e.is_primary desc, e.folded limit 1) e on true
    where m.organization_id = ${organization.id} and m.removed_at is null
      and (m.link_state = 'unlinked' or ${moving})
      and not exists (select from identities i where i.connection_id = ${connection.id} and i.user_id = u.id)
    order by m.user_id`.execute(tx)
  const data = {
    origin,
    organization: organization.name,
    provider: connection.name,
    by: sender?.name ?? null,
  }
  let mailed = 0
  for (const { userId, address } of rows) {
    if (address === null) continue
    const until = later(now, linkMailEvery)
    const notice = { kind: 'link-mail', scope: connection.id, id: userId, until }
    if (!(await useOnce(tx, notice))) continue
    await sendMail(tx, 'link_account', address, data)
    mailed++
  }
  const unreachable = rows.filter(({ address }) => address === null).length
  const event = { organizationId: organization.id, actorId: sender?.userId }
  await recordEvent(
    tx,
    {
      action: 'member.link_mails_sent',
      ...event,
      requestId: sender?.requestId,
      data: { mailed, unreachable },
    },
    now,
  )
  return { mailed, unreachable }
}

/**
 * Tells every member who has signed in through a connection that it was switched off or removed, in the transaction
 * that does so.
 * @returns how many were mailed
 */
export async function mailConnectionRemoved(
  tx: Db,
  { sendMail, origin }: OrganizationMailServices,
  connection: Pick<Connection, 'id' | 'name' | 'organization'>,
): Promise<number> {
  const { organization } = connection
  const { rows } = await sql<{ address: string; linkedElsewhere: boolean }>`
    select e.address, exists (
      select from identities o join connections oc on oc.id = o.connection_id and oc.id <> ${connection.id}
        and oc.organization_id = ${organization.id} and oc.state = 'active' and oc.deleted_at is null
      where o.user_id = u.id) as "linkedElsewhere"
    from identities i
    join users u on u.id = i.user_id and u.deleted_at is null and u.suspended_at is null
    join memberships m on m.user_id = u.id and m.organization_id = ${organization.id} and m.removed_at is null
    join lateral (select address from user_emails e where e.user_id = u.id and e.verified_at is not null
      order by e.is_primary desc, e.folded limit 1) e on true
    where i.connection_id = ${connection.id}
    order by u.id`.execute(tx)
  const data = {
    origin,
    organization: organization.name,
    slug: organization.slug,
    provider: connection.name,
  }
  for (const { address, linkedElsewhere } of rows)
    await sendMail(tx, 'connection_removed', address, { ...data, linkedElsewhere })
  return rows.length
}
