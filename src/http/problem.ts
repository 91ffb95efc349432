import { errors, type AppError } from '../lib/errors.ts'

/**
 * An error as a problem document (RFC 9457), for programs. It holds the public text only.
 * @param loginUrl where a person would sign in; sent with every 401
 */
export function problem(error: AppError, requestId: string, loginUrl?: string): Response {
  const { status, title, advice } = errors[error.code]
  const body = {
    type: `urn:sallyport:error:${error.code}`,
    title,
    status,
    detail: advice,
    code: error.code,
    requestId,
    ...(status === 401 && loginUrl && { login_url: loginUrl }),
    ...error.members,
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...error.headers },
  })
}
