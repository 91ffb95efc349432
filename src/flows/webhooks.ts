import { createHmac } from 'node:crypto'
import { openWebhook } from '../accounts/webhooks.ts'
import type { Db } from '../db/open.ts'
import { queues, type QueuedJobs } from '../db/queue.ts'
import type { Clock } from '../lib/clock.ts'
import { EgressError, type Egress } from '../lib/egress.ts'
import type { Log } from '../lib/log.ts'
import type { Sealer } from '../lib/seal.ts'

/** What posting to webhooks takes. */
export interface WebhookServices {
  readonly db: Db
  readonly sealer: Sealer
  readonly egress: Egress
  readonly clock: Clock
  readonly log: Log
}

/**
 * Posts one thing to its organization's webhook, signed as the Standard Webhooks specification has it. What is delivered
 * already, or given up, is let be: the queue may bring it twice.
 * @throws when it should be tried again
 */
export async function deliverWebhook(
  services: WebhookServices,
  { id }: QueuedJobs['webhook'],
): Promise<void> {
  const { db, sealer, clock, log } = services
  const waiting = await db
    .selectFrom('webhook_deliveries')
    .select(['organization_id', 'body', 'tries'])
    .where('id', '=', id)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (!waiting) return
  const { organization_id: organizationId, body } = waiting
  const webhook = await openWebhook(db, sealer, organizationId)
  const answer = webhook
    ? await post(services, { id, body, organizationId, ...webhook })
    : 'removed'
  const tries = waiting.tries + 1
  const delivered = /^2\d\d$/.test(answer)
  const final = delivered || givenUp.has(answer) || tries > queues.webhook.retries!
  await db
    .updateTable('webhook_deliveries')
    .set({
      state: delivered ? 'delivered' : final ? 'failed' : 'waiting',
      tries,
      answer,
      tried_at: clock.now(),
    })
    .where('id', '=', id)
    .execute()
  if (delivered) return
  log[final ? 'warn' : 'info'](
    { delivery: id, organizationId, answer },
    'a webhook did not take a message',
  )
  if (!final) throw new Error(`the webhook answered ${answer}`)
}

/** There is nobody any more who would take it, or it may not be asked. */
const givenUp: ReadonlySet<string> = new Set(['removed', '410', 'egress_blocked'])

/** Answers the status, or why there was none. */
async function post(
  { egress, clock }: WebhookServices,
  message: { id: string; body: string; organizationId: string; url: string; key: Buffer },
): Promise<string> {
  const { id, body, organizationId, url, key } = message
  const timestamp = String(Math.floor(clock.now().getTime() / 1000))
  try {
    const { status } = await egress.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Sallyport',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': signWebhook(key, { id, timestamp, body }),
      },
      body,
      share: `webhook ${organizationId}`,
    })
    return String(status)
  } catch (thrown) {
    if (thrown instanceof EgressError) return thrown.reason
    throw thrown
  }
}

/** The signature of a message: over its id, its time in seconds and its body. */
export function signWebhook(
  key: Buffer,
  {
    id,
    timestamp,
    body,
  }: { readonly id: string; readonly timestamp: string; readonly body: string },
): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}
