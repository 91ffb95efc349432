/** What one error says to the world. The log gets {@link AppError.reason} and the cause instead. */
export interface ErrorRow {
  /** HTTP status. */
  readonly status: number
  /** One line that says what happened. */
  readonly title: string
  /** What the reader can do about it. */
  readonly advice: string
}

/**
 * Every error Sallyport can answer with. The code is stable: programs may switch on it.
 * Nothing here separates "unknown", "expired" and "somebody else's": that is for the audit.
 */
export const errors = {
  login_required: {
    status: 401,
    title: 'Please sign in',
    advice: 'This needs a signed-in person. Sign in and try again.',
  },
  no_session: {
    status: 401,
    title: 'You are signed out',
    advice: 'Your earlier session has ended. Sign in again to go on.',
  },
  session_expired: {
    status: 401,
    title: 'Your session has expired',
    advice: 'You were away for a while. Sign in again to go on where you were.',
  },
  reauth_required: {
    status: 401,
    title: 'Please confirm it is you',
    advice: 'This needs a recent sign-in. Sign in once more to go on.',
  },
  forbidden: {
    status: 403,
    title: 'You may not do that',
    advice: 'You are signed in, but not allowed to do this. Ask an administrator for access.',
  },
  sso_required: {
    status: 403,
    title: 'This needs your organization’s own sign-in',
    advice:
      'You are signed in, but another way than your organization asks for. Sign in there to go on.',
  },
  csrf_failed: {
    status: 403,
    title: 'That request came from another site',
    advice: 'Open the page here and press the button yourself.',
  },
  account_disabled: {
    status: 403,
    title: 'This account is suspended',
    advice: 'You cannot sign in while it is. Ask your organization’s administrator.',
  },
  identity_conflict: {
    status: 409,
    title: 'This sign-in is new to us, and somebody is signed in here',
    advice:
      'Nothing was changed. Sign out first to use the new sign-in, or keep working as you are.',
  },
  identity_in_use: {
    status: 409,
    title: 'This sign-in cannot be linked to your account',
    advice: 'It is in use already. Nothing was changed. Ask your organization’s administrator.',
  },
  already_linked: {
    status: 409,
    title: 'Your account has another sign-in there already',
    advice:
      'Nothing was changed. If your organization has given you a new one, unlink the old one on your account page first.',
  },
  invitation_invalid: {
    status: 410,
    title: 'This invitation cannot be used',
    advice:
      'It may have been used, withdrawn or run out, or it is for another address. Ask for a new one.',
  },
  not_a_member: {
    status: 403,
    title: 'You have no account here yet',
    advice:
      'Your organization knows you, but nobody has let you in. Ask your administrator. If you have an account here already, sign in to it first, and then this way once more: you can link the two.',
  },
  address_taken: {
    status: 409,
    title: 'Another account has this address',
    advice: 'You have proven that it is yours. Sign in with it by mail to use that account.',
  },
  passkey_refused: {
    status: 403,
    title: 'This passkey was not accepted',
    advice: 'Try again, or sign in another way.',
  },
  recovery_refused: {
    status: 403,
    title: 'This code was not accepted',
    advice:
      'A code works once, for the owner it was made for, after they have signed in by themself. Nothing was changed.',
  },
  last_credential: {
    status: 409,
    title: 'This is your only way in',
    advice:
      'Add another one first: a passkey, a verified address, or another organization’s sign-in. Then you can remove this one.',
  },
  last_owner: {
    status: 409,
    title: 'An organization needs an owner',
    advice: 'Nothing was changed. Make somebody else an owner first.',
  },
  flow_invalid: {
    status: 400,
    title: 'This sign-in cannot be continued',
    advice: 'It may have taken too long, or was started in another browser. Start again.',
  },
  sso_failed: {
    status: 400,
    title: 'Your organization’s sign-in did not work',
    advice: 'Try again. If it keeps happening, give your administrator the reference below.',
  },
  sso_denied: {
    status: 403,
    title: 'The sign-in was cancelled',
    advice: 'Your organization’s sign-in page was closed or refused you. You can try again.',
  },
  sso_unavailable: {
    status: 503,
    title: 'Your organization’s sign-in does not answer',
    advice: 'It is not your fault. Try again in a minute.',
  },
  provider_disabled: {
    status: 403,
    title: 'This way of signing in is switched off',
    advice: 'Ask your administrator how to sign in.',
  },
  cookies_blocked: {
    status: 400,
    title: 'Your browser keeps no cookies for this site',
    advice: 'Allow cookies for this site and sign in again.',
  },
  changed_meanwhile: {
    status: 409,
    title: 'That cannot be done now',
    advice: 'Something has changed meanwhile. Go back, reload the page and look again.',
  },
  token_refused: {
    status: 401,
    title: 'This is not accepted here',
    advice:
      'Check that what you authenticate with is whole, has not run out, and is meant for this address.',
  },
  resource_exists: {
    status: 409,
    title: 'There is one like it already',
    advice: 'Look for that one, and change it instead.',
  },
  precondition_failed: {
    status: 412,
    title: 'It is not as you know it any more',
    advice: 'Read it again, and decide anew.',
  },
  not_supported: {
    status: 501,
    title: 'This is not supported',
    advice: 'The documentation says what is.',
  },
  config_rejected: {
    status: 422,
    title: 'These settings cannot be used',
    advice: 'Correct what is named and save again.',
  },
  invalid_request: {
    status: 400,
    title: 'The request is not valid',
    advice: 'Check what was sent against the documentation.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing here',
    advice: 'Check the address, or go back to the start page.',
  },
  method_not_allowed: {
    status: 405,
    title: 'That method is not allowed here',
    advice: 'Use one of the methods named in the Allow header.',
  },
  payload_too_large: {
    status: 413,
    title: 'That is too much',
    advice: 'Send a smaller body.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'That kind of content is not understood here',
    advice: 'Send the content type that the documentation names, uncompressed.',
  },
  headers_too_large: {
    status: 431,
    title: 'Your browser sends too many cookies',
    advice: 'Clear the cookies of this site and try again.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many attempts',
    advice: 'Wait a minute and try again.',
  },
  internal_error: {
    status: 500,
    title: 'Something went wrong on our side',
    advice: 'Try again. If it keeps happening, give your administrator the reference below.',
  },
  temporarily_unavailable: {
    status: 503,
    title: 'We cannot look that up right now',
    advice: 'You are not signed out. Try again in a moment.',
  },
} as const satisfies Record<string, ErrorRow>

/** The stable name of an error. */
export type ErrorCode = keyof typeof errors

/** What an {@link AppError} may carry besides its code. */
export interface ErrorDetails {
  /** The true reason, for audit and log; never sent to anybody. */
  reason?: string
  cause?: unknown
  /** The id of the request that was refused for this, where this one only hears of it again. */
  reference?: string | undefined
  /** Extra response headers, such as `Retry-After` or `Allow`. */
  headers?: Record<string, string>
  /** Further members of the problem document (RFC 9457 §3.2); must be safe to show. */
  members?: Record<string, string | number | readonly string[]>
}

/** A refusal with two texts: {@link errors}`[code]` for the world, `reason` and `cause` for the log. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly reason: string
  readonly reference: string | undefined
  readonly headers: Record<string, string>
  readonly members: Record<string, string | number | readonly string[]>

  constructor(
    code: ErrorCode,
    { reason = code, cause, reference, headers = {}, members = {} }: ErrorDetails = {},
  ) {
    super(`${code}: ${reason}`, { cause })
    this.name = 'AppError'
    this.code = code
    this.reason = reason
    this.reference = reference
    this.headers = headers
    this.members = members
  }

  /** The HTTP status its code stands for. */
  get status(): number {
    return errors[this.code].status
  }
}

/** Any thrown value as an {@link AppError}; what we did not expect becomes `internal_error`. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  return new AppError('internal_error', { reason: 'unhandled', cause: thrown })
}

/** A fault that whoever runs the server can mend; the message is the sentence to print, without a stack. */
export class OperatorError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}
