/** Where people go when nothing better is known. */
export const defaultReturn = '/'

/** Returning to one of these would loop, or do something. */
const refused = [
  '/login',
  '/logout',
  '/sso',
  '/register',
  '/guest',
  '/claim',
  '/verify',
  '/healthz',
  '/readyz',
]

const longest = 2048
// Control characters, space, backslash: browsers disagree about them, so nobody may use them.
const ambiguous = /[\p{Cc} \\]/u

/**
 * A return address from outside as a path on our own origin, or `/` when it is not certainly one.
 * Asked at the start of a flow and again when it is used (RFC 9700 §4.11.1).
 * @param origin our own, such as `https://app.example.com`
 */
export function safeReturnTo(value: string | null | undefined, origin: string): string {
  if (!value || value.length > longest || ambiguous.test(value) || hidesSlash(value))
    return defaultReturn
  if (!value.startsWith('/') || value.startsWith('//')) return defaultReturn
  if (!URL.canParse(value, origin)) return defaultReturn
  const url = new URL(value, origin)
  // Dot segments may have left `//` in front, which a browser would read as another host.
  if (url.origin !== new URL(origin).origin || url.pathname.startsWith('//')) return defaultReturn
  if (refused.some((path) => url.pathname === path || url.pathname.startsWith(`${path}/`)))
    return defaultReturn
  return `${url.pathname}${url.search}${url.hash}`
}

/** A path that begins with an encoded slash, backslash or NUL, or has one anywhere before its query. */
function hidesSlash(value: string): boolean {
  const [path = ''] = value.split(/[?#]/)
  return /%(2f|5c|00|0a|0d|09)/i.test(path)
}
