import { later, seconds } from '../lib/clock.ts'
import type { Claims } from './proof.ts'

/** What a provider has granted us for asking again about one person. Secret; sealed at rest. */
export interface Grant {
  readonly refreshToken?: string
  readonly accessToken?: string
  /** When the access token ends, ISO 8601; absent where the provider did not say. */
  readonly accessEndsAt?: string
}

/** Tokens as a provider issued them just now. Nothing about them has been checked. */
export interface Tokens {
  readonly accessToken: string
  /** Absent: the one that was presented stays good. */
  readonly refreshToken?: string
  readonly idToken?: string
  /** Seconds; absent where the provider did not say. */
  readonly expiresIn?: number
}

/** What is kept of tokens, beside what was had before: whoever gets no new refresh token keeps the old one. */
export function grantOf(tokens: Tokens, now: Date, before?: Grant): Grant {
  const { accessToken, refreshToken = before?.refreshToken, expiresIn } = tokens
  return {
    accessToken,
    ...(refreshToken && { refreshToken }),
    ...(expiresIn && { accessEndsAt: later(now, seconds(expiresIn)).toISOString() }),
  }
}

/** Who is asked about. */
export interface Subject {
  readonly issuer: string
  readonly subject: string
}

/** Why nobody could tell, which decides when to ask again and whom to alarm. */
export type Doubt =
  /** The provider does not answer now; it may in a while. */
  | 'transient'
  /** The provider does not want our questions: somebody has to mend the connection. */
  | 'misconfigured'
  /** There is no asking in this way. */
  | 'unsupported'

/** What a provider says when it is asked again. Never a boolean: not to know is not to deny. */
export type Answer =
  | { readonly answer: 'still_true'; readonly reason: string; readonly claims?: Claims }
  | { readonly answer: 'no_longer_true'; readonly reason: string }
  | {
      readonly answer: 'could_not_tell'
      readonly doubt: Doubt
      readonly reason: string
      /** How long the provider asks to be left alone, in milliseconds. */
      readonly pause?: number
    }

/** What came of presenting a refresh token. */
export type Presented =
  | { readonly tokens: Tokens }
  | {
      readonly answer: Answer
      /** Whether the provider may have used the token up: then it must never be presented again. */
      readonly spent: boolean
    }

/** How a provider can be asked again. What is absent it cannot do. */
export interface Again {
  /** Presents a refresh token, once (RFC 6749 §6). Whoever calls it has written down that it does. */
  refresh?(refreshToken: string): Promise<Presented>
  /** What the tokens themselves say, such as an ID token for somebody else. */
  judge?(tokens: Tokens, subject: Subject): Promise<Answer>
  /** Asks with an access token. `fresh`: it was issued just now, so a refusal is about the person, not the token. */
  userinfo?(accessToken: string, subject: Subject, fresh: boolean): Promise<Answer>
}
