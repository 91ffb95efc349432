import { recordEvent } from '../../src/accounts/audit.ts'
import type { Endpoint, Exchange, Route } from '../../src/http/exchange.ts'
import { AppError } from '../../src/lib/errors.ts'
import { hashToken, sameSecret } from '../../src/lib/secrets.ts'
import { findSession } from '../../src/sessions/lookup.ts'
import { seeOther } from '../../src/web/page.ts'
import type { DevelopmentPerson } from '../provider.ts'
import { assertPermit } from './gate.ts'
import { peoplePage } from './page.ts'
import {
  becomeGuest,
  comeBack,
  emptyJar,
  keep,
  leaveAndChoose,
  prepareAccount,
  type Running,
} from './sign-in.ts'

const open = { access: 'public', hint: true } as const

/**
 * `/autosession`: invented people are signed in at the press of a button, through every step of a sign-in at the
 * development provider. Each press is a browser of its own, so that sessions stay side by side.
 */
export function autosessionRoutes(running: () => Running): readonly Route[] {
  const list: Endpoint = (exchange) => {
    assertOurs(exchange, running())
    return peoplePage(running(), exchange.asker.session?.person.name)
  }
  const signIn: Endpoint = async (exchange) => {
    const person = running().provider.people.find(({ id }) => id === exchange.params['person'])
    try {
      assertPressed(exchange, running())
      if (exchange.params['person'] === 'guest' && exchange.services.guests.enabled)
        return await asGuest(exchange, running())
      if (!person) throw new AppError('not_found', { reason: 'nobody' })
      return await signInAs(exchange, running(), person)
    } catch (error) {
      const reason = error instanceof AppError ? error.reason : 'fault'
      await tell(exchange, 'devlogin.refused', { reason, person: person?.id })
      throw error
    }
  }
  return [
    { ...open, method: 'GET', path: '/autosession', csrf: 'none', body: 'none', endpoint: list },
    {
      ...open,
      method: 'POST',
      path: '/autosession/:person',
      csrf: 'same-origin',
      body: 'form',
      endpoint: signIn,
    },
  ]
}

async function signInAs(
  exchange: Exchange,
  running: Running,
  person: DevelopmentPerson,
): Promise<Response> {
  const { services } = exchange
  const caller = callerIn(exchange)
  await prepareAccount(running, person)
  const arriving = await leaveAndChoose(running, person, caller)
  const arrived = await comeBack(running, arriving, caller)
  const { session } = keep(services, emptyJar, arrived)
  if (!session) {
    await tell(exchange, 'devlogin.refused', {
      reason: `status_${arrived.status}`,
      person: person.id,
    })
    return arrived
  }
  const stored = await findStored(exchange, arrived)
  await tell(exchange, 'devlogin.used', { person: person.id }, stored)
  const cookies = arrived.headers.getSetCookie()
  return exchange.caller === 'navigation' ? seeOther('/account', cookies) : created(person, cookies)
}

async function asGuest(exchange: Exchange, running: Running): Promise<Response> {
  const answer = await becomeGuest(running, emptyJar, callerIn(exchange))
  const stored = await findStored(exchange, answer)
  await tell(exchange, 'devlogin.used', { person: 'guest' }, stored)
  const cookies = answer.headers.getSetCookie()
  if (exchange.caller === 'navigation') return seeOther('/', cookies)
  return created({ id: 'guest', name: 'A guest', role: 'guest' }, cookies)
}

/** The session that an answer has brought. */
function findStored({ services }: Exchange, answer: Response) {
  const { db, lifetimes, clock } = services
  const { session } = keep(services, emptyJar, answer)
  return session ? findSession(db, hashToken(session), { lifetimes, now: clock.now() }) : undefined
}

function created(
  { id, name, role }: { id: string; name: string; role: string },
  cookies: readonly string[],
): Response {
  const headers = new Headers({ location: '/me' })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return Response.json({ person: { id, name, role } }, { status: 201, headers })
}

/** Whose request it is, for the requests made in its stead. */
export function callerIn({ request, client }: Exchange): {
  headers: Headers
  address: string | undefined
} {
  return { headers: request.headers, address: client.address }
}

/** A name that leads here but is not ours may be a stranger's page that wants to look in (DNS rebinding). */
export function assertOurs({ request, services }: Exchange, { permit }: Running): void {
  assertPermit(permit)
  const host = request.headers.get('host')
  if (host !== null && host !== new URL(services.origin).host)
    throw new AppError('not_found', { reason: 'foreign_host' })
}

/** A button was pressed on a page of this very start, or the token was read from its terminal. */
export function assertPressed(exchange: Exchange, running: Running): void {
  assertOurs(exchange, running)
  if (!sameSecret(exchange.form['token'] ?? '', running.permit.token))
    throw new AppError('csrf_failed', { reason: 'autosession_token' })
}

function tell(
  { services, requestId }: Exchange,
  action: 'devlogin.used' | 'devlogin.refused',
  data: { reason?: string; person?: string | undefined },
  session?: { id: string; person: { id: string } },
): Promise<void> {
  const outcome = action === 'devlogin.used' ? 'ok' : 'deny'
  const who = { actorId: session?.person.id, target: session?.id }
  return recordEvent(
    services.db,
    { action, outcome, ...who, data, requestId },
    services.clock.now(),
  )
}
