import { recordEvent } from '../accounts/audit.ts'
import { addPasskey, listCredentialIds } from '../accounts/passkeys.ts'
import { isDuplicate } from '../db/open.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import {
  completeRegistration,
  passkeySite,
  registrationOptions,
  type NewPasskey,
} from '../providers/passkeys.ts'
import type { Person } from '../sessions/lookup.ts'
import type { Visitor } from './admission.ts'
import { signatureOf } from './flow.ts'
import type { PersonalServices } from './mail-login.ts'
import { assertSwitchedOn } from './personally.ts'
import { consumeFlow, loadFlow, startFlow, type LoadedFlow } from './store.ts'

/** What is remembered while the browser makes a passkey. */
export interface PasskeyRegistrationData {
  readonly userId: string
  readonly challenge: string
}

const signature = signatureOf('passkey-registration', [], null)

/** One request of somebody who adds a passkey to their account. */
export interface PasskeyRegistrationTurn extends Visitor {
  readonly services: PersonalServices
  readonly person: Person
}

/** Begins: answers what to ask the browser for. */
export async function startPasskeyRegistration({
  services,
  person,
  browser,
}: PasskeyRegistrationTurn): Promise<{ handle: string; options: object }> {
  assertSwitchedOn(services.personalSignIn)
  const challenge = randomToken()
  const data: PasskeyRegistrationData = { userId: person.id, challenge }
  const browserHash = hashToken(browser)
  const started = { kind: 'passkey', bound: null, signature, browserHash, data } as const
  const { handle } = await startFlow(services, started, services.clock.now())
  const known = await listCredentialIds(services.db, person.id)
  const site = passkeySite(services.origin)
  return { handle, options: registrationOptions(site, { challenge, user: person, known }) }
}

/** Finds what a browser is about to finish. */
export function loadPasskeyRegistration(
  services: PersonalServices,
  handle: string | null,
  browser: string | null,
): Promise<LoadedFlow<PasskeyRegistrationData>> {
  const binding = { browser, kind: 'passkey', signature: () => signature } as const
  return loadFlow<PasskeyRegistrationData>(services, handle, binding, services.clock.now())
}

/**
 * Adds the passkey that the browser made. A challenge is judged once, however that ends.
 * @throws AppError `passkey_refused`, or `flow_invalid` when it was somebody else who asked
 */
export async function finishPasskeyRegistration(
  turn: PasskeyRegistrationTurn,
  flow: { readonly id: string; readonly data: PasskeyRegistrationData },
  { answer, name }: { answer: string; name: string },
): Promise<void> {
  const { services, person } = turn
  const { userId, challenge } = flow.data
  if (userId !== person.id) throw new AppError('flow_invalid', { reason: 'other_person' })
  try {
    const made = await completeRegistration(passkeySite(services.origin), challenge, answer)
    await store(turn, flow.id, { made, name })
  } catch (error) {
    const { code, reason } = toAppError(error)
    const outcome = { kind: 'refused', code, reason } as const
    await consumeFlow(services.db, flow.id, outcome, services.clock.now())
    throw error
  }
}

async function store(
  { services, person, requestId }: PasskeyRegistrationTurn,
  flowId: string,
  { made, name }: { made: NewPasskey; name: string },
): Promise<void> {
  const now = services.clock.now()
  const userId = person.id
  try {
    await services.db.transaction().execute(async (tx) => {
      const target = await addPasskey(tx, { userId, name, made }, now)
      if (!(await consumeFlow(tx, flowId, { kind: 'done', to: '/account' }, now)))
        throw new AppError('flow_invalid', { reason: 'consumed' })
      const event = { actorId: userId, target, requestId }
      await recordEvent(tx, { action: 'passkey.registered', ...event }, now)
    })
  } catch (error) {
    if (!isDuplicate(error, 'passkeys_credential_id_key')) throw error
    throw new AppError('passkey_refused', { reason: 'known_already', cause: error })
  }
}
