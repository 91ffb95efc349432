import type { JsonObject } from './answer.ts'

/** What an event comes to. */
export type SignalEffect =
  /** What was proven before it happened counts no more: the person signs in again. */
  | 'end'
  /** The provider is asked about the person at once; where it cannot be asked, as `end`. */
  | 'check'
  /** Nobody signs in as that person there, until the provider says otherwise. */
  | 'disable'
  /** The right to sign in is given back, and nothing else. */
  | 'enable'
  /** As `disable`, for good. */
  | 'purge'
  /** It says nothing that matters here. */
  | 'none'

interface SignalEvent {
  /** What it is called here: in the audit, in numbers, on pages. */
  readonly name: string
  readonly effect: (payload: JsonObject) => SignalEffect
}

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'

/** The events about a stream itself (Shared Signals Framework 1.0 §8.1.4, §8.1.5). */
export const verificationEvent: string = `${ssf}verification`
export const streamUpdatedEvent: string = `${ssf}stream-updated`

const always = (effect: SignalEffect) => () => effect

/** Whether a credential was lost or is thought to be somebody else's (CAEP 1.0 §3.3). */
const takenAway: readonly unknown[] = ['revoke', 'delete']

/** Every event about people that is understood (CAEP 1.0 §3, RISC Profile 1.0 §2). */
export const signalEvents: Readonly<Record<string, SignalEvent>> = {
  [`${caep}session-revoked`]: { name: 'session-revoked', effect: always('end') },
  [`${caep}token-claims-change`]: { name: 'token-claims-change', effect: always('check') },
  [`${caep}credential-change`]: {
    name: 'credential-change',
    effect: ({ change_type }) => (takenAway.includes(change_type) ? 'end' : 'check'),
  },
  [`${caep}assurance-level-change`]: {
    name: 'assurance-level-change',
    effect: ({ change_direction }) => (change_direction === 'increase' ? 'none' : 'end'),
  },
  [`${caep}device-compliance-change`]: {
    name: 'device-compliance-change',
    effect: ({ current_status }) => (current_status === 'compliant' ? 'none' : 'end'),
  },
  [`${caep}risk-level-change`]: {
    name: 'risk-level-change',
    effect: ({ current_level }) => (current_level === 'LOW' ? 'none' : 'end'),
  },
  [`${risc}sessions-revoked`]: { name: 'sessions-revoked', effect: always('end') },
  [`${risc}credential-compromise`]: { name: 'credential-compromise', effect: always('end') },
  [`${risc}account-credential-change-required`]: {
    name: 'account-credential-change-required',
    effect: always('end'),
  },
  [`${risc}account-disabled`]: { name: 'account-disabled', effect: always('disable') },
  [`${risc}account-enabled`]: { name: 'account-enabled', effect: always('enable') },
  [`${risc}account-purged`]: { name: 'account-purged', effect: always('purge') },
}

/** What is asked of a transmitter. */
export const requestedEvents: readonly string[] = Object.keys(signalEvents)

/** What an event is called here; of one that is not known, only that. */
export function signalName(type: string): string {
  if (type === verificationEvent) return 'verification'
  if (type === streamUpdatedEvent) return 'stream-updated'
  return Object.hasOwn(signalEvents, type) ? signalEvents[type]!.name : 'unknown'
}

/** What an event comes to. */
export function signalEffect(type: string, payload: JsonObject): SignalEffect {
  return Object.hasOwn(signalEvents, type) ? signalEvents[type]!.effect(payload) : 'none'
}
