import { recordEvent } from '../accounts/audit.ts'
import { listEmails, markEmailVerified } from '../accounts/emails.ts'
import { foldEmail } from '../accounts/users.ts'
import { later } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets.ts'
import type { Person } from '../sessions/lookup.ts'
import type { Visitor } from './admission.ts'
import { signatureOf } from './flow.ts'
import { countMail, linkLasts, type PersonalServices } from './mail-login.ts'
import { consumeFlow, loadFlow, startFlow, type LoadedFlow } from './store.ts'

/** What is remembered until the link comes back. Its handle is in the mail and nowhere else. */
export interface VerificationData {
  readonly userId: string
  readonly address: string
}

const signature = signatureOf('verify-address', [], null)

/** One request about an address of somebody who is signed in. */
export interface VerificationTurn extends Visitor {
  readonly services: PersonalServices
  readonly person: Person
}

/**
 * Mails a link to one of a person's own addresses.
 * @throws AppError `not_found` for an address that is not on the account, `rate_limited`
 */
export async function mailVerification(
  { services, person, browser, address: client, requestId }: VerificationTurn,
  address: string,
): Promise<void> {
  const { db, origin, sendMail } = services
  const now = services.clock.now()
  const own = await listEmails(db, person.id)
  if (!own.some((email) => foldEmail(email.address) === foldEmail(address)))
    throw new AppError('not_found', { reason: 'no_such_address' })
  await countMail(services, { client, address }, now)
  await db.transaction().execute(async (tx) => {
    const data: VerificationData = { userId: person.id, address }
    const browserHash = hashToken(browser)
    const started = { kind: 'mail', bound: null, signature, browserHash, data } as const
    const { handle, flow } = await startFlow({ db: tx, sealer: services.sealer }, started, now, {
      idle: linkLasts,
      absolute: linkLasts,
    })
    const event = { actorId: person.id, target: flow.id, requestId }
    await recordEvent(tx, { action: 'email.verification_sent', ...event }, now)
    const link = `${origin}/account/verify/${handle}`
    const about = { origin, link, name: person.name }
    await sendMail(tx, 'verify_address', address, about, later(now, linkLasts))
  })
}

/**
 * Finds what a link is for, if this is its browser. Only looks: opening a link changes nothing, and neither does
 * pressing its button before {@link finishVerification}.
 */
export function loadVerification(
  services: PersonalServices,
  handle: string | null,
  browser: string | null,
): Promise<LoadedFlow<VerificationData>> {
  const binding = { browser, look: true, kind: 'mail', signature: () => signature } as const
  return loadFlow<VerificationData>(services, handle, binding, services.clock.now())
}

/**
 * Marks an address as verified, once.
 * @throws AppError `address_taken`, or `flow_invalid` when it was somebody else who asked
 */
export async function finishVerification(
  { services, person, requestId }: VerificationTurn,
  flow: { readonly id: string; readonly data: VerificationData },
): Promise<void> {
  const { userId, address } = flow.data
  if (userId !== person.id) throw new AppError('flow_invalid', { reason: 'other_person' })
  const now = services.clock.now()
  await services.db.transaction().execute(async (tx) => {
    await markEmailVerified(tx, { userId, address }, now)
    if (!(await consumeFlow(tx, flow.id, { kind: 'done', to: '/account' }, now)))
      throw new AppError('flow_invalid', { reason: 'consumed' })
    const event = { actorId: userId, target: userId, requestId }
    await recordEvent(tx, { action: 'email.verified', ...event }, now)
  })
}
