import type { ErrorCode } from '../lib/errors.ts'
import { AppError } from '../lib/errors.ts'
import { printable, refused, unavailable } from './faults.ts'

/** What the authorization request said, against which the browser's return is read. */
export interface AuthorizationRequest {
  readonly redirectUri: string
  readonly issuer: string
  /** Whether the provider promises `iss` in every response (RFC 9207 §3). */
  readonly issPromised: boolean
}

/** What only other response types bring (RFC 9700 §2.1.2); read, they would be tokens out of a URL. */
const foreign = ['response', 'access_token', 'id_token', 'token', 'token_type', 'expires_in']

/** OAuth error codes that are not simply a failure (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). */
const errorCodes: ReadonlyMap<string, ErrorCode> = new Map([
  ['access_denied', 'sso_denied'],
  ['login_required', 'sso_denied'],
  ['interaction_required', 'sso_denied'],
  ['account_selection_required', 'sso_denied'],
  ['consent_required', 'sso_denied'],
  ['temporarily_unavailable', 'sso_unavailable'],
  ['server_error', 'sso_unavailable'],
])

/**
 * Reads the code out of the browser's return; nothing has been asked of anybody yet.
 * Errors are believed only from the right issuer (RFC 9207 §2.4).
 * @throws AppError `sso_failed`, `sso_denied` or `sso_unavailable`
 */
export function readAuthorizationResponse(back: URL, request: AuthorizationRequest): string {
  const parameters = back.searchParams
  if (back.origin + back.pathname !== request.redirectUri)
    throw refused('oidc_redirect_uri_mismatch')
  if (new Set(parameters.keys()).size !== parameters.size) throw refused('oidc_parameter_repeated')
  checkIssuer(parameters.get('iss'), request)
  if (foreign.some((name) => parameters.has(name))) throw refused('oidc_response_mode')
  const error = parameters.get('error')
  if (error !== null) throw providerError(error, parameters.get('error_description') ?? '')
  const code = parameters.get('code')
  if (!code || !parameters.get('state')) throw refused('oidc_code_missing')
  return code
}

function checkIssuer(iss: string | null, { issuer, issPromised }: AuthorizationRequest): void {
  const fits = iss === null ? !issPromised : iss === issuer
  if (!fits) throw refused('oidc_iss_mismatch')
}

/** The provider's refusal. Its own words go into the reason only, and only the printable ones. */
function providerError(error: string, description: string): AppError {
  const code = errorCodes.get(error) ?? 'sso_failed'
  const reason = `provider_error: ${printable(error, 64)}: ${printable(description, 256)}`
  return code === 'sso_unavailable' ? unavailable(reason) : new AppError(code, { reason })
}
