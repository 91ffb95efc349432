import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { enqueue } from '../db/queue.ts'
import type { Db } from '../db/open.ts'
import { newId } from '../lib/ids.ts'
import type { Place, Sealer } from '../lib/seal.ts'
import { recordEvent } from './audit.ts'

/** Everything that is posted to an organization's webhook. The keys are stable names. */
export const webhookEvents = {
  'outage.began': 'An identity provider does not answer.',
  'outage.ended': 'It answers again.',
  'misconfigured.began': 'An identity provider refuses our questions.',
  'misconfigured.ended': 'It answers them again.',
  'brake.began':
    'Unusually many people are said to be gone; nobody is signed out until an administrator confirms it.',
  'brake.ended': 'What was held has been carried out.',
  'signals.began': 'A stream of shared signals does not work.',
  'signals.ended': 'It works again.',
  'certificate.expiring': 'A certificate runs out in 30, 7 or 1 days.',
  'client_secret.expiring': 'A client secret runs out in 30, 7 or 1 days.',
  'directory_token.expiring': 'The last token of a directory runs out in 30, 7 or 1 days.',
  'webhook.test': 'An owner has pressed the button.',
} as const

export type WebhookEvent = keyof typeof webhookEvents

/** Where an organization's alarms are posted. */
export interface Webhook {
  readonly url: string
  readonly createdAt: Date
}

/** One thing that was posted, or is still to be. */
export interface Delivery {
  readonly id: string
  readonly event: string
  readonly state: 'waiting' | 'delivered' | 'failed'
  readonly tries: number
  readonly answer: string | null
  readonly triedAt: Date | null
  readonly createdAt: Date
}

/** An organization's webhook, without its secret. */
export async function findWebhook(db: Db, organizationId: string): Promise<Webhook | undefined> {
  return db
    .selectFrom('webhooks')
    .select(['url', 'created_at as createdAt'])
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
}

/** An organization's webhook, with its secret, for whoever posts to it. */
export async function openWebhook(
  db: Db,
  sealer: Sealer,
  organizationId: string,
): Promise<{ readonly url: string; readonly key: Buffer } | undefined> {
  const row = await db
    .selectFrom('webhooks')
    .select(['url', 'secret'])
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  if (!row) return undefined
  const secret = sealer.open<string>(row.secret, placeOf(organizationId))
  return { url: row.url, key: Buffer.from(secret, 'base64') }
}

/** Whose act it is. */
export interface WebhookActor {
  readonly organizationId: string
  readonly actorId: string
  readonly requestId: string
}

/** What the secret begins with, as the specification has it. */
export const secretPrefix = 'whsec_'

/**
 * Sets where alarms are posted, with a new secret, which is the answer: it is shown once. What still waits is posted to
 * the new address.
 */
export async function setWebhook(
  tx: Db,
  sealer: Sealer,
  { organizationId, actorId, requestId, url }: WebhookActor & { readonly url: string },
  now: Date,
): Promise<string> {
  const secret = randomBytes(32).toString('base64')
  const row = { url, secret: sealer.seal(secret, placeOf(organizationId)), created_at: now }
  await tx
    .insertInto('webhooks')
    .values({ organization_id: organizationId, ...row })
    .onConflict((conflict) => conflict.column('organization_id').doUpdateSet(row))
    .execute()
  // The path may hold a secret of the receiver's.
  const data = { host: new URL(url).host }
  const event = { organizationId, target: organizationId, actorId, requestId, data }
  await recordEvent(tx, { action: 'webhook.set', ...event }, now)
  return `${secretPrefix}${secret}`
}

/** Has nothing posted any more. Answers whether there was a webhook. */
export async function removeWebhook(
  tx: Db,
  { organizationId, actorId, requestId }: WebhookActor,
  now: Date,
): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('webhooks')
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  if (numDeletedRows === 0n) return false
  const event = { organizationId, target: organizationId, actorId, requestId }
  await recordEvent(tx, { action: 'webhook.removed', ...event }, now)
  return true
}

/** Plain facts: ids, names and times; no address, and nothing secret. */
export type WebhookData = Readonly<Record<string, string | number | boolean | null>>

/**
 * Has something posted to an organization's webhook once the transaction has committed; nothing where it has none. It is
 * written down here, so that every try sends the same.
 */
export async function postEvent(
  tx: Db,
  organizationId: string,
  { event, data }: { readonly event: WebhookEvent; readonly data: WebhookData },
  now: Date,
): Promise<void> {
  if (!(await findWebhook(tx, organizationId))) return
  const id = newId()
  const { slug } = await tx
    .selectFrom('organizations')
    .select('slug')
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
  const organization = { id: organizationId, slug }
  const timestamp = now.toISOString()
  const body = JSON.stringify({ type: event, timestamp, data: { organization, ...data } })
  await tx
    .insertInto('webhook_deliveries')
    .values({ id, organization_id: organizationId, event, body, state: 'waiting', created_at: now })
    .execute()
  await enqueue(tx, 'webhook', { id })
}

/** The last things that were posted, the newest first. */
export async function listDeliveries(
  db: Db,
  organizationId: string,
  most = 20,
): Promise<readonly Delivery[]> {
  const { rows } = await sql<Delivery>`
    select id, event, state, tries, answer, tried_at as "triedAt", created_at as "createdAt" from webhook_deliveries
    where organization_id = ${organizationId} order by created_at desc, id desc limit ${most}`.execute(
    db,
  )
  return rows
}

function placeOf(organizationId: string): Place {
  return { table: 'webhooks', column: 'secret', row: organizationId }
}
