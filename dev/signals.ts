import { findConnection } from '../src/accounts/connections.ts'
import { findStream } from '../src/accounts/signal-streams.ts'
import { redirectUriOf } from '../src/flows/login.ts'
import { signedOutUriOf } from '../src/flows/provider-logout.ts'
import type { Services } from '../src/http/exchange.ts'
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
