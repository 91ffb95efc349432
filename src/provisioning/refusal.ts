import { AppError, errors, type ErrorCode } from '../lib/errors.ts'
import { urn } from './attributes.ts'

/** Why a request cannot be done as it stands, in the words of RFC 7644 §3.12. */
export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'

/** A refusal that tells the directory what is wrong with what it sent. `detail` repeats nothing of it. */
export function refusal(
  scimType: ScimType,
  detail: string,
  code: ErrorCode = 'invalid_request',
): AppError {
  return new AppError(code, { reason: `scim: ${scimType}`, members: { scimType, detail } })
}

/** An error as a directory is told of it (RFC 7644 §3.12). */
export function scimProblem(error: AppError): Response {
  const { status, title, advice } = errors[error.code]
  const { scimType, detail } = error.members
  const body = {
    schemas: [urn.error],
    status: String(status),
    ...(scimType !== undefined && { scimType }),
    detail: detail ?? `${title}. ${advice}`,
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/scim+json', ...error.headers },
  })
}
