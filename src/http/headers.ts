const policy = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
]

const contentSecurityPolicy = policy.join('; ')

/** For a page that loads a script of ours; no other page may. */
export const policyWithScript: string = [...policy, "script-src 'self'"].join('; ')

/** For a page whose form goes to somebody else's site, and from there wherever that site leads. */
export function policyLeavingTo({ origin, protocol }: URL): string {
  const to = protocol === 'https:' ? 'https:' : `${origin} https:`
  return policyWithScript.replace("form-action 'self'", `form-action ${to}`)
}

/** For an answer that pages of these origins, and no others, may show in a frame. */
export function policyFramedBy(origins: readonly string[]): string {
  return contentSecurityPolicy.replace(
    "frame-ancestors 'none'",
    `frame-ancestors ${origins.join(' ')}`,
  )
}

/** On every answer. A page may bring a content security policy of its own. */
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

/** The headers that every answer carries, errors and redirects included; what is in `ownToSay` it may say otherwise. */
export function headersOfEveryAnswer({ https }: { https: boolean }): Record<string, string> {
  return {
    'cache-control': 'no-store',
    ...securityHeaders,
    ...(https && { 'strict-transport-security': strictTransport }),
  }
}

/** What an answer may say differently. */
const ownToSay = ['cache-control', 'content-security-policy']

/** Puts the headers on that every answer carries. */
export function secure(
  response: Response,
  { https, requestId }: { https: boolean; requestId: string },
): Response {
  const { headers } = response
  for (const [name, value] of Object.entries(headersOfEveryAnswer({ https })))
    if (!ownToSay.includes(name) || !headers.has(name)) headers.set(name, value)
  // The older header knows only all or nothing; what the policy says more exactly would be in vain beside it.
  if (!headers.get('content-security-policy')!.includes("frame-ancestors 'none'"))
    headers.delete('x-frame-options')
  headers.set('x-request-id', requestId)
  return response
}
