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

/** Judges a value found by {@link findCookies}, strictly: several are none, and odd ones are none. */
export function readCookie(value: FoundCookie, which: keyof typeof tokenBytes): CookieRead {
  if (value === undefined) return { state: 'absent' }
  if (value === null) return { state: 'duplicate' }
  return isToken(value, tokenBytes[which]) ? { state: 'present', value } : { state: 'malformed' }
}

/** A value as it came; undefined where there is none, null where there are several. */
export type FoundCookie = string | undefined | null

/**
 * Finds our cookies in a `Cookie` header (RFC 6265 §5.4), in one pass that copies nothing but their values: every
 * request comes by here.
 */
export function findCookies(
  header: string | null,
  { session: sessionName, browser: browserName }: CookieNames,
): { readonly session: FoundCookie; readonly browser: FoundCookie } {
  let session: FoundCookie
  let browser: FoundCookie
  for (let at = 0, end = 0; header !== null && at < header.length; at = end + 1) {
    end = header.indexOf(';', at)
    if (end === -1) end = header.length
    while (isBlank(header, at)) at++
    if (isNamed(header, at, sessionName))
      session = session === undefined ? valueIn(header, at + sessionName.length, end) : null
    else if (isNamed(header, at, browserName))
      browser = browser === undefined ? valueIn(header, at + browserName.length, end) : null
  }
  return { session, browser }
}

/** The sign after it first, because that tells nearly all others apart. */
function isNamed(header: string, at: number, name: string): boolean {
  if (header.charCodeAt(at + name.length) !== 0x3d) return false
  for (let i = 0; i < name.length; i++)
    if (header.charCodeAt(at + i) !== name.charCodeAt(i)) return false
  return true
}

function valueIn(header: string, equals: number, end: number): string {
  let last = end
  while (isBlank(header, last - 1)) last--
  return header.slice(equals + 1, last)
}

function isBlank(header: string, at: number): boolean {
  const code = header.charCodeAt(at)
  return code === 0x20 || code === 0x09
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
