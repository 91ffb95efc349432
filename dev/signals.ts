import { findConnection } from '../src/accounts/connections.ts'
import {
  createScimToken,
  listScimTokens,
  scimTokensAtOnce,
  switchScim,
  withdrawScimToken,
} from '../src/accounts/scim-tokens.ts'
import { findStream } from '../src/accounts/signal-streams.ts'
import { redirectUriOf } from '../src/flows/login.ts'
import { signedOutUriOf } from '../src/flows/provider-logout.ts'
import type { Services } from '../src/http/exchange.ts'
import { newRequestId } from '../src/lib/ids.ts'
import { removeStream, setUpStream } from '../src/verification/signal-set-up.ts'
import type { DevelopmentProvider } from './provider.ts'

/**
 * Has the development provider tell the connection what happens there. It remembers nothing over a restart, so a stream
 * of before is set up anew.
 */
export async function connectSignals(
  services: Services,
  connectionId: string,
  { issuer, messenger, registerLogout }: DevelopmentProvider,
): Promise<void> {
  const connection = await findConnection(services.db, connectionId)
  if (!connection) return
  const at = redirectUriOf(services.origin, connectionId).replace(/callback$/, '')
  registerLogout({
    backchannel: `${at}backchannel-logout`,
    frontchannel: `${at}frontchannel-logout`,
    after: signedOutUriOf(services.origin),
  })
  if (await findStream(services.db, connectionId)) await removeStream(services, connection, {})
  const { accessToken } = messenger
  await setUpStream(services, connection, { issuer, accessToken, delivery: 'push' }, {})
}

/**
 * Lets the development provider be the connection's directory too. Provisioning is switched on, and a token made, when it
 * first has something to say; of tokens that are there already the oldest makes room.
 */
export function connectDirectory(
  services: Services,
  connectionId: string,
  { messenger }: DevelopmentProvider,
): void {
  messenger.registerDirectory(async () => ({
    base: `${services.origin}/scim/v2/${connectionId}`,
    token: await makeToken(services, connectionId),
  }))
}

async function makeToken({ db, clock }: Services, connectionId: string): Promise<string> {
  const now = clock.now()
  const organizationId = (await findConnection(db, connectionId))!.organization.id
  const { user_id: actorId } = await db
    .selectFrom('memberships')
    .select('user_id')
    .where('organization_id', '=', organizationId)
    .where('role', '=', 'owner')
    .orderBy('id')
    .executeTakeFirstOrThrow()
  const doing = { organizationId, connectionId, actorId, requestId: newRequestId() }
  return db.transaction().execute(async (tx) => {
    await switchScim(tx, doing, true, now)
    const tokens = await listScimTokens(tx, connectionId, now)
    const oldest = tokens.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime())[0]
    if (oldest && tokens.length >= scimTokensAtOnce)
      await withdrawScimToken(tx, doing, oldest.id, now)
    return (await createScimToken(tx, doing, now))!.token
  })
}
