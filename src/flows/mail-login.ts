import { recordEvent } from '../accounts/audit.ts'
import { findEmailOwner } from '../accounts/emails.ts'
import { foldEmail } from '../accounts/users.ts'
import { clientKey, countUse } from '../db/limits.ts'
import { later, minutes } from '../lib/clock.ts'
import { isMailbox } from '../lib/email-address.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets.ts'
import { proveMailbox } from '../providers/mailbox.ts'
import { unsealPersonalProof, type PersonalProofData } from '../providers/proof.ts'
import { describeGuest } from '../sessions/guests.ts'
import { admitArrival, judgeArrival, type Admitted, type Visitor } from './admission.ts'
import { agreeToSwitch, type AskSwitch, type Switching } from './agree-to-switch.ts'
import { dispatch, signatureOf, type Ended, type FlowKind, type Step } from './flow.ts'
import type { LoginServices, RegistrationQuestion } from './login.ts'
import { assertSwitchedOn, byMail, type PersonalSignIn } from './personally.ts'
import { readName, type Registration } from './registration.ts'
import { safeReturnTo } from './return-to.ts'
import { loadFlow, startFlow, type LoadedFlow, type StoredFlow } from './store.ts'

/** What signing in without an organization takes. */
export interface PersonalServices extends LoginServices {
  readonly personalSignIn: PersonalSignIn
}

/** How long a mailed link works, in milliseconds. */
export const linkLasts: number = minutes(10)

/** What a sign-in by mail remembers. Its handle is in the mail and nowhere else. */
export interface MailLoginData extends Switching {
  readonly returnTo: string
  /** Where the link went. */
  readonly address: string
  readonly proof?: PersonalProofData
  /** Set once the form has been shown: whose work it offered to keep. */
  readonly asked?: { readonly guestId: string | null }
  /** What somebody new has said; `none`: there was nothing to ask. */
  readonly registration?: Registration | 'none'
}

/** One request of a sign-in by mail. */
export interface MailLoginTurn extends Visitor {
  readonly services: PersonalServices
  /** Whether the button on the link's page was pressed. */
  readonly pressed?: boolean
  /** The form of somebody who registers, as it was sent. */
  readonly form?: { readonly name: string; readonly keep: boolean } | undefined
  readonly agreed?: boolean
}

/** What a sign-in by mail tells the browser. */
export type MailLoginAnswer =
  | { readonly kind: 'ask-press' }
  | RegistrationQuestion
  | AskSwitch
  | ({ readonly kind: 'signed-in' } & Admitted)

type MailLoginStep = Step<MailLoginData, MailLoginTurn, MailLoginAnswer>

/** Whoever opens the link may be a scanner that opens every link; whoever presses the button is a person. */
const press: MailLoginStep = {
  name: 'press',
  version: 1,
  done: ({ proof }) => proof !== undefined,
  async run(data, { pressed }) {
    if (!pressed) return { data, answer: { kind: 'ask-press' } }
    const { ...proof } = proveMailbox(data.address)
    return { data: { ...data, proof } }
  },
}

const register: MailLoginStep = {
  name: 'register',
  version: 1,
  done: ({ registration }) => registration !== undefined,
  async run(data, turn) {
    const { services, asker, form } = turn
    const owner = await findEmailOwner(services.db, data.address)
    const { verdict, last } = await judgeArrival(services.db, turn, owner)
    // Nobody is asked to be refused afterwards: admission does that.
    const letsIn = services.personalSignIn === 'everybody' && !verdict.refuse
    if (owner || !letsIn) return { data: { ...data, registration: 'none' } }

    const guest = asker.session?.kind === 'guest' ? asker.session.person.id : null
    const work = guest && (await describeGuest(services, guest))
    const guestId = work === null ? null : guest
    const name = readName(form?.name)
    // Only what the form has shown is kept: another guest may have come to this browser since.
    if (form && name && data.asked && (!form.keep || data.asked.guestId === guestId))
      return { data: { ...data, registration: { name, guestId: form.keep ? guestId : null } } }
    return {
      data: { ...data, asked: { guestId } },
      answer: {
        kind: 'register',
        name: form?.name ?? '',
        email: data.address,
        wrongName: form !== undefined && name === undefined,
        work,
        sameBrowser: verdict.row !== 6,
        last: last?.gone ? undefined : last,
        browser: undefined,
      },
    }
  },
}

const agree: MailLoginStep = agreeToSwitch(({ address }, { services }) =>
  findEmailOwner(services.db, address),
)

/** The steps of a sign-in by mail, in order. */
export const mailLoginFlow: FlowKind<MailLoginData, MailLoginTurn, MailLoginAnswer> = {
  steps: [press, register, agree],
  async finish({ id, data }, turn) {
    const proof = unsealPersonalProof(data.proof!)
    if (proof.method !== 'mail') throw new AppError('flow_invalid', { reason: 'step_mismatch' })
    const way = byMail(proof, turn.services.personalSignIn, turn.requestId)
    const registration = data.registration === 'none' ? undefined : data.registration
    const { returnTo, switching } = data
    const agreedToSwitch = switching === 'yes'
    const visitor = turn
    const arrival = { flowId: id, way, visitor, returnTo, agreedToSwitch, registration }
    return { kind: 'signed-in', ...(await admitArrival(turn.services, arrival)) }
  },
}

const signature = signatureOf('mail', mailLoginFlow.steps, null)

/**
 * Mails a link to whoever asks to sign in with an address. Nothing that is answered, and no time it takes, says whether
 * an account has the address: the same is counted and stored, and one mail goes out, which says it to who reads it.
 * @throws AppError `invalid_request` for what is no address, `rate_limited`, `provider_disabled`
 */
export async function mailLink(
  { services, browser, device, address: client, requestId }: MailLoginTurn,
  { address, returnTo }: { address: string; returnTo: string | null },
): Promise<void> {
  const { db, origin, personalSignIn, sendMail } = services
  assertSwitchedOn(personalSignIn)
  const now = services.clock.now()
  await countMail(services, { client, address }, now)
  await db.transaction().execute(async (tx) => {
    const owner = await findEmailOwner(tx, address)
    const to = owner?.address ?? address
    const data: MailLoginData = { returnTo: safeReturnTo(returnTo, origin), address: to }
    const browserHash = hashToken(browser)
    const started = { kind: 'mail', bound: null, signature, browserHash, data } as const
    const { handle, flow } = await startFlow({ db: tx, sealer: services.sealer }, started, now, {
      idle: linkLasts,
      absolute: linkLasts,
    })
    const event = { actorId: owner?.userId, target: flow.id, requestId }
    await recordEvent(tx, { action: 'login.mail_sent', ...event }, now)
    if (owner || personalSignIn === 'everybody') {
      const link = `${origin}/login/mail/${handle}`
      const about = { origin, link, device: device ?? 'a browser' }
      await sendMail(tx, 'sign_in_link', to, about, later(now, linkLasts))
    } else await sendMail(tx, 'no_account', to, { origin })
  })
}

/**
 * Counts a mail that a stranger has us send: for whom, by whom, and all together.
 * @throws AppError `rate_limited`; `invalid_request` for what is no address
 */
export async function countMail(
  { db }: Pick<PersonalServices, 'db'>,
  { client, address }: { client: string | undefined; address: string },
  now: Date,
): Promise<void> {
  if (!isMailbox(address)) throw new AppError('invalid_request', { reason: 'no_address' })
  await countUse(db, 'mails_of_client', clientKey(client), now)
  await countUse(db, 'mails_to_address', foldEmail(address), now)
  await countUse(db, 'mails', '', now)
}

/**
 * Finds the sign-in a link belongs to, if this is its browser.
 * @param look only looks, because opening a link must change nothing
 */
export function loadMailLogin(
  services: PersonalServices,
  handle: string | null,
  { browser, look }: { browser: string | null; look: boolean },
): Promise<LoadedFlow<MailLoginData>> {
  const binding = { browser, look, kind: 'mail', signature: () => signature } as const
  return loadFlow<MailLoginData>(services, handle, binding, services.clock.now())
}

/** Goes on with a live sign-in by mail. */
export function continueMailLogin(
  flow: StoredFlow<MailLoginData>,
  turn: MailLoginTurn,
): Promise<MailLoginAnswer | Ended> {
  return dispatch(turn.services, mailLoginFlow, flow, turn)
}
