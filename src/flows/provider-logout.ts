import type { Connection } from '../accounts/connections.ts'
import { useOnce } from '../db/used-once.ts'
import { later, minutes, type Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Place, Sealer } from '../lib/seal.ts'
import { refused } from '../providers/faults.ts'
import type { HeardLogout, LogoutPost, Provider } from '../providers/provider.ts'
import { takeProofs } from '../sessions/ending.ts'
import { openIdToken } from '../sessions/id-token-hint.ts'
import { listProvided, type Provided } from '../sessions/provided.ts'
import { revoke, type Revoking } from '../sessions/revoke.ts'
import { rememberEnded } from './backchannel-logout.ts'
import { redirectUriOf } from './login.ts'

/** What signing out at providers takes. */
export interface ProviderLogoutServices extends Revoking {
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly origin: string
  provider(connectionId: string): Promise<Provider>
}

/** Where somebody whose session here is over can be signed out too. */
export interface Parting {
  /** The organization's name. */
  readonly organization: string
  readonly to: URL
}

/** Where a provider's page for signing out may send the browser afterwards. */
export function signedOutUriOf(origin: string): string {
  return `${origin}/logout/done`
}

/** How long a provider may take to answer, in milliseconds. */
const answerWithin = minutes(10)

/**
 * Where the providers that a session rested on end their own. The session is over already, whatever comes of this: a
 * provider that cannot be asked is left out.
 */
export async function partingsOf(
  services: ProviderLogoutServices,
  sessionId: string,
): Promise<readonly Parting[]> {
  const { db, log } = services
  const partings: Parting[] = []
  try {
    for (const { organization, ...known } of await listProvided(db, sessionId)) {
      const to = await leave(services, known)
      if (to) partings.push({ organization, to })
    }
  } catch (err) {
    log.warn({ err }, 'providers could not be told that a session is over')
  }
  return partings
}

async function leave(
  services: ProviderLogoutServices,
  { connectionId, identityId, idTokenHint, ...known }: Omit<Provided, 'organization'>,
): Promise<URL | undefined> {
  const { sealer, clock, origin, log } = services
  try {
    const provider = await services.provider(connectionId)
    const until = later(clock.now(), answerWithin).getTime()
    const handle = sealer.seal({ until }, place(connectionId)).toString('base64url')
    const redirectUri = redirectUriOf(origin, connectionId)
    const idToken = idTokenHint ? openIdToken(sealer, identityId!, idTokenHint) : undefined
    const returnTo = signedOutUriOf(origin)
    return await provider.logout?.({ redirectUri, handle, returnTo, idToken, ...known })
  } catch (err) {
    log.warn({ err, connectionId }, 'a provider could not be told that a session is over')
    return undefined
  }
}

/** What became of a message about signing out. */
export interface Heard {
  /** Where to send the browser; undefined: nowhere. */
  readonly answer: URL | undefined
}

/**
 * Acts on a message of a provider's about signing out: ends what it names, once, and nothing else.
 * @throws AppError `invalid_request` for whatever is not to be believed; the audit has the reason
 */
export async function hearProvider(
  services: ProviderLogoutServices,
  connection: Connection,
  post: Omit<LogoutPost, 'redirectUri'> & object,
  requestId: string,
  tell: (reason: string) => Promise<void>,
): Promise<Heard> {
  try {
    const provider = await services.provider(connection.id)
    if (!provider.hearLogout) throw new AppError('not_found', { reason: 'no_logout' })
    const redirectUri = redirectUriOf(services.origin, connection.id)
    const heard = await provider.hearLogout({ ...post, redirectUri } as LogoutPost)
    return await act(services, connection, heard, requestId)
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'sso_failed') throw thrown
    await tell(thrown.reason)
    throw new AppError('invalid_request', { reason: thrown.reason, cause: thrown })
  }
}

async function act(
  services: ProviderLogoutServices,
  connection: Connection,
  heard: HeardLogout,
  requestId: string,
): Promise<Heard> {
  const now = services.clock.now()
  if (heard.kind === 'answer') {
    await assertAsked(services, connection.id, heard.handle, now)
    return { answer: undefined }
  }
  const { once, provided, answer } = heard
  await revoke(services, async (tx) => {
    if (!(await useOnce(tx, { kind: 'saml-logout', scope: connection.id, ...once })))
      throw refused('saml_replay')
    const { organization, id: connectionId } = connection
    // A SessionIndex may be anybody's (SAML Core §2.7.2), so it is the person whose sign-ins under way are over.
    await rememberEnded(tx, connectionId, { subject: provided.nameId.value }, now)
    const which = { organizationId: organization.id, connectionId, provided }
    const actor = { requestId }
    const ended = await takeProofs(tx, { ...which, reason: 'provider_logout' }, actor, now)
    return { result: undefined, targets: ended.targets }
  })
  return { answer }
}

/** An answer to what nobody asked, or one that comes again, is refused. It would do nothing all the same. */
async function assertAsked(
  { db, sealer }: ProviderLogoutServices,
  connectionId: string,
  handle: string,
  now: Date,
): Promise<void> {
  let until: number
  try {
    const sealed = Buffer.from(handle, 'base64url')
    until = sealer.open<{ until: number }>(sealed, place(connectionId)).until
  } catch {
    throw refused('saml_unsolicited')
  }
  if (until <= now.getTime()) throw refused('saml_not_on_or_after')
  const once = { kind: 'saml-logout-answer', scope: connectionId, id: handle }
  if (!(await useOnce(db, { ...once, until: new Date(until) }))) throw refused('saml_replay')
}

function place(connectionId: string): Place {
  return { table: 'provider_logout', column: 'handle', row: connectionId }
}
