const contentSecurityPolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** On every answer. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'x-frame-options': 'DENY',
}

/** Two years, every subdomain. */
const strictTransport = 'max-age=63072000; includeSubDomains'

/** The headers that every answer carries, errors and redirects included; where it says otherwise of caching, that holds. */
export function headersOfEveryAnswer({ https }: { https: boolean }): Record<string, string> {
  return {
    'cache-control': 'no-store',
    ...securityHeaders,
    ...(https && { 'strict-transport-security': strictTransport }),
  }
}

/** Puts the headers on that every answer carries. */
export function secure(
  response: Response,
  { https, requestId }: { https: boolean; requestId: string },
): Response {
  const { headers } = response
  for (const [name, value] of Object.entries(headersOfEveryAnswer({ https })))
    if (name !== 'cache-control' || !headers.has(name)) headers.set(name, value)
  headers.set('x-request-id', requestId)
  return response
}
