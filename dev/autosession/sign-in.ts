import { findIdentity } from '../../src/accounts/identities.ts'
import type { Sallyport } from '../../src/app.ts'
import type { Services } from '../../src/http/exchange.ts'
import { AppError } from '../../src/lib/errors.ts'
import { revoke } from '../../src/sessions/revoke.ts'
import type { DevelopmentPerson, DevelopmentProvider } from '../provider.ts'
import { chooseAt } from '../provider/choose.ts'
import type { Permit } from './gate.ts'

/** What autosession works on. */
export interface Running {
  readonly sallyport: Sallyport
  readonly provider: DevelopmentProvider
  /** The connection to that provider. */
  readonly connectionId: string
  readonly permit: Permit
}

/** The values of our two cookies in one browser; null: it has none. */
export interface Jar {
  readonly session: string | null
  readonly browser: string | null
}

/** A browser that knows nothing. */
export const emptyJar: Jar = { session: null, browser: null }

/** A sign-in that has been to the provider, and what is left to do. */
export interface Arriving {
  readonly jar: Jar
  /** Where the provider has sent the browser. */
  readonly back: URL
}

/** Whose requests these are. */
export interface Caller {
  readonly headers: Headers
  readonly address: string | undefined
}

/** Goes from `/login` to the provider and chooses somebody there, all but the last request. */
export async function leaveAndChoose(
  { sallyport, connectionId }: Running,
  person: DevelopmentPerson,
  caller: Caller,
  { jar = emptyJar, returnTo = '/account' } = {},
): Promise<Arriving> {
  const { services } = sallyport
  const headers = ofOurForm(services, caller, jar)
  const left = await sallyport.fetch(
    new Request(`${services.origin}/sso/${connectionId}/start`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ return_to: returnTo, login_hint: person.email }),
    }),
    caller.address,
  )
  const away = /url=(.*)$/.exec(left.headers.get('refresh') ?? '')?.[1]
  if (!away) throw new AppError('sso_failed', { reason: `not_begun_${left.status}` })
  return { jar: keep(services, jar, left), back: await chooseAt(new URL(away), person.id) }
}

/** The last request: back from the provider. What it answers is the pipeline's own answer. */
export function comeBack(
  { sallyport }: Running,
  { jar, back }: Arriving,
  caller: Caller,
): Promise<Response> {
  const headers = headersOf(caller, cookieHeader(sallyport.services, jar))
  headers.set('sec-fetch-site', 'cross-site')
  return sallyport.fetch(new Request(back, { headers }), caller.address)
}

/** Goes on as a guest, as the button on the sign-in page does. */
export async function becomeGuest(
  { sallyport }: Running,
  jar: Jar,
  caller: Caller,
): Promise<Response> {
  const { services } = sallyport
  const headers = ofOurForm(services, caller, jar)
  const request = new Request(`${services.origin}/guest`, { method: 'POST', headers, body: '' })
  const answer = await sallyport.fetch(request, caller.address)
  if (!answer.ok && answer.status !== 303)
    throw new AppError('rate_limited', { reason: `no_guest_${answer.status}` })
  return answer
}

/** The cookies of a browser after an answer. */
export function keep({ cookies }: Services, jar: Jar, { headers }: Response): Jar {
  const set = (name: string, before: string | null): string | null => {
    const line = headers.getSetCookie().findLast((each) => each.startsWith(`${name}=`))
    if (line === undefined) return before
    return line.slice(name.length + 1).split(';', 1)[0] || null
  }
  return { session: set(cookies.session, jar.session), browser: set(cookies.browser, jar.browser) }
}

/** What a browser with those cookies sends. */
export function cookieHeader({ cookies }: Services, jar: Jar): string {
  return (['session', 'browser'] as const)
    .flatMap((which) => (jar[which] === null ? [] : [`${cookies[which]}=${jar[which]}`]))
    .join('; ')
}

/**
 * Looks at whose account somebody's sign-in would end in, and takes a newcomer's away: they have none, ever.
 * @throws AppError `forbidden` when the account is not that of somebody invented
 */
export async function prepareAccount(
  { sallyport: { services }, provider, connectionId }: Running,
  { id, role }: DevelopmentPerson,
): Promise<void> {
  const { db } = services
  const key = { connectionId, issuer: provider.issuer, subject: id }
  const identity = await findIdentity(db, key)
  if (!identity) return
  const { synthetic } = await db
    .selectFrom('users')
    .select('synthetic')
    .where('id', '=', identity.userId)
    .executeTakeFirstOrThrow()
  if (!synthetic) throw new AppError('forbidden', { reason: 'not_synthetic' })
  if (role !== 'newcomer') return
  await revoke(services, async (tx) => {
    await tx.deleteFrom('identities').where('id', '=', identity.id).execute()
    await tx
      .updateTable('users')
      .set({ deleted_at: services.clock.now() })
      .where('id', '=', identity.userId)
      .execute()
    return { result: undefined, targets: [{ kind: 'user', id: identity.userId }] }
  })
}

/** What comes with a form on a page of ours. */
function ofOurForm(services: Services, caller: Caller, jar: Jar): Headers {
  const headers = headersOf(caller, cookieHeader(services, jar))
  headers.set('origin', services.origin)
  headers.set('content-type', 'application/x-www-form-urlencoded')
  return headers
}

/** The caller as they are, but for what belongs to the request they sent to autosession. */
function headersOf(caller: Caller, cookie: string): Headers {
  const headers = new Headers()
  for (const name of ['accept', 'user-agent', 'sec-fetch-mode']) {
    const value = caller.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  headers.set('cookie', cookie)
  return headers
}
