import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/clock.ts'
import type { Egress } from '../lib/egress.ts'
import type { Again } from './again.ts'
import type { ProviderLogout } from './logout-token.ts'
import type { NameId, Proof } from './proof.ts'

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

/** Where to send the browser, and what to remember until it returns. */
export interface Departure {
  readonly redirect: URL
  /** Fields of a form to be posted there. @default the browser just goes there */
  readonly post?: Readonly<Record<string, string>>
  readonly remember: Remembered
}

/** What was posted to a connection across sites, where none of our cookies come along. */
export interface Posted {
  readonly form: Readonly<Record<string, string>>
  readonly redirectUri: string
  /** What `begin` asked to be kept; undefined where nobody had begun. */
  readonly remember?: Remembered | undefined
  /** Whether a message is taken that nobody has asked for. @default false */
  readonly unsolicited?: boolean
  /** Where the browser is, if that is known. */
  readonly address?: string | undefined
}

/** A posted message that passed every check. */
export interface Received {
  /** To be remembered in place of what `begin` asked for; `complete` makes the proof of it. */
  readonly remember: Remembered
  /** The message's own name. It counts once, and is over at `until`. */
  readonly once: { readonly id: string; readonly until: Date }
}

/** A session here that is over, as far as its provider knows it. */
export interface EndedSession {
  readonly redirectUri: string
  /** Comes back with the provider's answer. */
  readonly handle: string
  readonly nameId?: NameId | undefined
  readonly providerSession?: string | undefined
  /** Whether the organization wants people led to the provider's own page for signing out. */
  readonly wanted?: boolean | undefined
  /** Where that page may send the browser afterwards. */
  readonly returnTo?: string | undefined
  /** The ID token that the session began with. */
  readonly idToken?: string | undefined
}

/** Whose pages may end a browser's session in a frame. */
export interface Frames {
  readonly issuer: string
  readonly origins: readonly string[]
}

/** A message about signing out: the query that it came in as it was sent, or the form. */
export type LogoutPost = { readonly redirectUri: string } & (
  | { readonly search: string; readonly form?: undefined }
  | { readonly search?: undefined; readonly form: Readonly<Record<string, string>> }
)

/** What such a message said, once every check has passed. */
export type HeardLogout =
  | {
      /** The provider has ended sessions of its own. */
      readonly kind: 'request'
      /** The message's own name. It counts once, and is over at `until`. */
      readonly once: { readonly id: string; readonly until: Date }
      readonly provided: ProvidedSessions
      /** Where to send the browser once it is done; undefined: nowhere. */
      readonly answer: URL | undefined
    }
  | {
      /** The provider answers what we asked. */
      readonly kind: 'answer'
      readonly handle: string
    }

/** By what a provider tells which of its sessions are over. */
export interface ProvidedSessions {
  readonly nameId: NameId
  /** Who qualifies a name that says nothing of it (SAML Core §8.3.7): the provider, and ourselves. */
  readonly qualifiers: { readonly provider: string; readonly own: string }
  /** The provider's names for its sessions; none: all of the person's. */
  readonly sessions: readonly string[]
}

/** One connection to an outside party who proves who someone is. */
export interface Provider {
  /** Where to send the browser, and what to remember until it returns. */
  begin(to: Destination): Promise<Departure>
  /**
   * Reads the browser's return and judges it. Only this makes a {@link Proof}.
   * @param back the whole URL the browser came back with
   * @throws AppError `sso_failed`, `sso_denied` or `sso_unavailable`, with the true `reason`
   */
  complete(back: URL, remember: Remembered): Promise<Proof>
  /**
   * Judges a message that the provider had the browser post, before the browser comes back. It says nothing of whose
   * browser that is, so it proves nothing yet.
   * @throws AppError as {@link Provider.complete} does
   */
  receive?(posted: Posted): Promise<Received>
  /**
   * Judges a logout token that the provider has sent (OpenID Connect Back-Channel Logout 1.0).
   * @throws AppError `sso_failed`, `sso_unavailable`
   */
  readLogout?(token: string): Promise<ProviderLogout>
  /** How it can be asked again; absent where it cannot be. */
  readonly again?: Again
  /** Where to send a browser whose session here is over, so that the provider ends its own too; undefined: nowhere. */
  logout?(ended: EndedSession): Promise<URL | undefined>
  /**
   * Whose pages these are (OpenID Connect Front-Channel Logout 1.0 §2); absent where no provider of that kind has any.
   * @throws AppError `sso_failed`, `sso_unavailable`
   */
  frames?(): Promise<Frames>
  /**
   * Judges a message of the provider's about signing out.
   * @throws AppError `sso_failed` with the true `reason`
   */
  hearLogout?(post: LogoutPost): Promise<HeardLogout>
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
