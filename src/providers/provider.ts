import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/clock.ts'
import type { Egress } from '../lib/egress.ts'
import type { Proof } from './proof.ts'

/** Where a sign-in is to come back to, and what to ask the provider for. */
export interface Destination {
  /** This connection's own redirect URI; no two connections share one. */
  readonly redirectUri: string
  /** The flow's handle; travels in OAuth `state`. */
  readonly handle: string
  /** Who the person says they are; a convenience for the provider's form, never believed. */
  readonly loginHint?: string
  /** Oldest acceptable authentication at the provider, in seconds (OIDC Core §3.1.2.1). */
  readonly maxAge?: number
  /** `login`: the person is to be asked who they are, whatever the provider remembers (OIDC Core §3.1.2.1). */
  readonly prompt?: 'login'
}

/** What `begin` asks to be kept until the browser returns. Sealed at rest; JSON. */
export type Remembered = Readonly<Record<string, string | number | boolean | undefined>>

/** One connection to an outside party who proves who someone is. */
export interface Provider {
  /** Where to send the browser, and what to remember until it returns. */
  begin(to: Destination): Promise<{ redirect: URL; remember: Remembered }>
  /**
   * Reads the browser's return and judges it. Only this makes a {@link Proof}.
   * @param back the whole URL the browser came back with
   * @throws AppError `sso_failed`, `sso_denied` or `sso_unavailable`, with the true `reason`
   */
  complete(back: URL, remember: Remembered): Promise<Proof>
}

/** What every provider is handed. */
export interface ProviderServices {
  readonly egress: Egress
  readonly clock: Clock
  readonly log: Log
}

/** Who the provider is working for. */
export interface ProviderContext extends ProviderServices {
  /** The connection's id: part of every proof, and the name of its share of the egress client. */
  readonly connectionId: string
}
