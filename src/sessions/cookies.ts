import { isToken } from '../lib/secrets.ts'

/** The two cookies there are. Nothing else is ever set. */
export interface CookieNames {
  /** 256-bit session token. */
  readonly session: string
  /** 128-bit browser key that flows are bound to, and the profile hint. */
  readonly browser: string
  readonly secure: boolean
}

/**
 * Names and attributes come from the configured address, never from a request.
 * Plain http exists on loopback in development only, where browsers refuse the prefixed names.
 */
export function cookieNames(url: URL): CookieNames {
  const secure = url.protocol === 'https:'
  const prefix = secure ? '__Host-Http-' : ''
  return { session: `${prefix}sallyport`, browser: `${prefix}sallyport-browser`, secure }
}

/** How long a browser is remembered, in seconds: 180 days. */
export const browserMaxAge = 180 * 86_400

const tokenBytes = { session: 32, browser: 16 } as const

/** What a request says under one of our names. */
export type CookieRead =
  | { readonly state: 'absent' | 'malformed' | 'duplicate' }
  | { readonly state: 'present'; readonly value: string }

/** Reads our cookie out of a `Cookie` header (RFC 6265 §5.4), strictly: twice is neither, and odd values are none. */
export function readCookie(
  header: string | null,
  names: CookieNames,
  which: 'session' | 'browser',
): CookieRead {
  const values = valuesOf(header, names[which])
  if (values.length === 0) return { state: 'absent' }
  if (values.length > 1) return { state: 'duplicate' }
  const [value = ''] = values
  return isToken(value, tokenBytes[which]) ? { state: 'present', value } : { state: 'malformed' }
}

/** The values under a name; a scan, because this runs on every request. */
function valuesOf(header: string | null, name: string): string[] {
  const values: string[] = []
  if (!header) return values
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    const equals = at + name.length
    if (header[equals] !== '=' || !beginsPair(header, at)) continue
    const end = header.indexOf(';', equals)
    values.push(header.slice(equals + 1, end === -1 ? undefined : end).trim())
  }
  return values
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1
  while (header[before] === ' ' || header[before] === '\t') before--
  return before < 0 || header[before] === ';'
}

/** A `Set-Cookie` for one of ours. Without `maxAge` (seconds) it ends with the browser. */
export function setCookie(
  names: CookieNames,
  which: 'session' | 'browser',
  value: string,
  maxAge?: number,
): string {
  const age = maxAge === undefined ? '' : `; Max-Age=${Math.max(0, Math.floor(maxAge))}`
  return `${names[which]}=${value}; Path=/; HttpOnly; SameSite=Lax${names.secure ? '; Secure' : ''}${age}`
}

/** A `Set-Cookie` that makes the browser drop one of ours: same name, path and flags. */
export function clearCookie(names: CookieNames, which: 'session' | 'browser'): string {
  return setCookie(names, which, '', 0)
}
