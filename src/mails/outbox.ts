import { enqueue, type QueuedJobs } from '../db/queue.ts'
import type { Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { MailFailed, type Mailer } from '../lib/mail.ts'
import type { Sealer } from '../lib/seal.ts'
import { mailOf, mails, type MailData, type MailName } from './index.ts'
import { write } from './letter.ts'

/**
 * Puts a mail into the queue, in the transaction that causes it: when that is rolled back, nothing is sent.
 * Only an address that its person has verified, or one that is being verified, gets mail.
 * @param until after which it is of no use any more, and is not sent @default whenever it can be sent
 */
export type Outbox = <Name extends MailName>(
  tx: Db,
  mail: Name,
  to: string,
  data: MailData<Name>,
  until?: Date,
) => Promise<void>

/** What is sealed, because it may hold a link that signs somebody in. */
interface Sealed {
  readonly to: string
  readonly data: unknown
  /** ISO 8601. */
  readonly until?: string | undefined
}

/** @param mailer undefined where there is no mail at all: then nothing is queued */
export function createOutbox(sealer: Sealer, mailer: Mailer | undefined): Outbox {
  return async (tx, mail, to, data, until) => {
    if (!mailer) return
    const id = newId()
    const content: Sealed = { to, data, until: until?.toISOString() }
    const sealed = sealer.seal(content, place(id)).toString('base64')
    await enqueue(tx, 'mail', { id, mail, sealed })
  }
}

/** What sending takes. */
export interface MailServices {
  readonly sealer: Sealer
  readonly mailer: Mailer | undefined
  readonly clock: Clock
  readonly log: Log
}

/**
 * Writes one mail of the queue and hands it over. What can never be delivered is told to the log and let go, so that it
 * is not tried again.
 * @throws MailFailed when it may be tried again
 */
export async function deliver(
  { sealer, mailer, clock, log }: MailServices,
  { id, mail, sealed }: QueuedJobs['mail'],
): Promise<void> {
  try {
    if (!mailer) throw new MailFailed('there is no mail server any more', { final: true })
    if (!Object.hasOwn(mails, mail)) throw new MailFailed('no such mail', { final: true })
    const { to, data, until } = sealer.open<Sealed>(Buffer.from(sealed, 'base64'), place(id))
    if (until && new Date(until) <= clock.now())
      throw new MailFailed('it is of no use any more', { final: true })
    await mailer.send({ id, to, ...(await write(mailOf(mail as MailName), data)) })
  } catch (err) {
    if (err instanceof MailFailed && !err.final) throw err
    // The error names no address; anything unforeseen might, and says nothing but its kind.
    const reason = err instanceof MailFailed ? err.message : (err as Error).name
    log.error({ mail, id, reason }, 'a mail could not be delivered and is given up')
  }
}

function place(row: string): { table: string; column: string; row: string } {
  return { table: 'mails', column: 'data', row }
}
