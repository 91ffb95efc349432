import { findPasskey, findPasskeyOwner } from '../accounts/passkeys.ts'
import { clientKey, countUse } from '../db/limits.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import {
  assertionOptions,
  completeAssertion,
  passkeySite,
  readAssertion,
} from '../providers/passkeys.ts'
import { unsealPersonalProof, type PersonalProofData } from '../providers/proof.ts'
import { admitArrival, type Admitted, type Visitor } from './admission.ts'
import { agreeToSwitch, type AskSwitch, type Switching } from './agree-to-switch.ts'
import { dispatch, signatureOf, type Ended, type FlowKind, type Step } from './flow.ts'
import type { PersonalServices } from './mail-login.ts'
import { assertSwitchedOn, byPasskey } from './personally.ts'
import { safeReturnTo } from './return-to.ts'
import { loadFlow, startFlow, type LoadedFlow, type StoredFlow } from './store.ts'

/** What a sign-in with a passkey remembers. */
export interface PasskeyLoginData extends Switching {
  readonly returnTo: string
  /** Judged once. */
  readonly challenge: string
  readonly proof?: PersonalProofData
}

/** One request of a sign-in with a passkey. */
export interface PasskeyLoginTurn extends Visitor {
  readonly services: PersonalServices
  /** What the authenticator answered, as JSON. */
  readonly answer?: string | undefined
  readonly agreed?: boolean
}

/** What a sign-in with a passkey tells the browser. */
export type PasskeyLoginAnswer = AskSwitch | ({ readonly kind: 'signed-in' } & Admitted)

type PasskeyLoginStep = Step<PasskeyLoginData, PasskeyLoginTurn, PasskeyLoginAnswer>

const judge: PasskeyLoginStep = {
  name: 'judge',
  version: 1,
  once: true,
  done: ({ proof }) => proof !== undefined,
  async run(data, { services, answer = '' }) {
    const assertion = readAssertion(answer)
    const known = await findPasskey(services.db, assertion.id)
    if (!known) throw new AppError('passkey_refused', { reason: 'unknown_passkey' })
    const site = passkeySite(services.origin)
    const { ...proof } = await completeAssertion(site, data.challenge, assertion, known)
    return { data: { ...data, proof } }
  },
}

const agree: PasskeyLoginStep = agreeToSwitch(async ({ proof }, { services }) =>
  proof?.method === 'passkey' ? findPasskeyOwner(services.db, proof.passkeyId) : undefined,
)

/** The steps of a sign-in with a passkey, in order. */
export const passkeyLoginFlow: FlowKind<PasskeyLoginData, PasskeyLoginTurn, PasskeyLoginAnswer> = {
  steps: [judge, agree],
  async finish({ id, data }, turn) {
    const proof = unsealPersonalProof(data.proof!)
    if (proof.method !== 'passkey') throw new AppError('flow_invalid', { reason: 'step_mismatch' })
    const way = byPasskey(proof, turn.services.personalSignIn)
    const { returnTo, switching } = data
    const agreedToSwitch = switching === 'yes'
    const arrival = { flowId: id, way, visitor: turn, returnTo, agreedToSwitch }
    return { kind: 'signed-in', ...(await admitArrival(turn.services, arrival)) }
  },
}

const signature = signatureOf('passkey', passkeyLoginFlow.steps, null)

/**
 * Begins a sign-in with a passkey: answers what to ask the browser for.
 * @throws AppError `rate_limited`, `provider_disabled`
 */
export async function startPasskeyLogin(
  { services, browser, address }: PasskeyLoginTurn,
  returnTo: string | null,
): Promise<{ handle: string; options: object }> {
  const { db, origin, personalSignIn } = services
  assertSwitchedOn(personalSignIn)
  const now = services.clock.now()
  await countUse(db, 'passkeys_of_client', clientKey(address), now)
  const challenge = randomToken()
  const data: PasskeyLoginData = { returnTo: safeReturnTo(returnTo, origin), challenge }
  const browserHash = hashToken(browser)
  const started = { kind: 'passkey', bound: null, signature, browserHash, data } as const
  const { handle } = await startFlow(services, started, now)
  return { handle, options: assertionOptions(passkeySite(origin), challenge) }
}

/** Finds the sign-in a browser goes on with. */
export function loadPasskeyLogin(
  services: PersonalServices,
  handle: string | null,
  browser: string | null,
): Promise<LoadedFlow<PasskeyLoginData>> {
  const binding = { browser, kind: 'passkey', signature: () => signature } as const
  return loadFlow<PasskeyLoginData>(services, handle, binding, services.clock.now())
}

/** Goes on with a live sign-in. */
export function continuePasskeyLogin(
  flow: StoredFlow<PasskeyLoginData>,
  turn: PasskeyLoginTurn,
): Promise<PasskeyLoginAnswer | Ended> {
  return dispatch(turn.services, passkeyLoginFlow, flow, turn)
}
