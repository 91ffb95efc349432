import { createScimToken, switchScim } from '../../src/accounts/scim-tokens.ts'
import { keepStream } from '../../src/accounts/signal-streams.ts'
import type { Process } from '../process.ts'
import { idOf } from './fill.ts'
import type { Heard } from './member.ts'
import type { Stage } from './stage.ts'

/** How a provider tells us of itself that somebody is gone. */
export interface Way {
  readonly how: 'back-channel logout' | 'SCIM' | 'Shared Signals'
  /** What is to be sent about somebody of the connection in that place, known to the provider by that name. */
  prepare(member: Process<null>, place: number, sub: string): Promise<Heard>
}

/** Opens every way for all connections. */
export async function openWays({
  many: db,
  sealer,
  provider,
  connections,
}: Stage): Promise<readonly Way[]> {
  const now = new Date()
  const { issuer } = provider.ready
  const tokens: string[] = []
  const authorization = 'Bearer bench'
  for (const connectionId of connections) {
    const { organization_id: organizationId } = await db
      .selectFrom('connections')
      .select('organization_id')
      .where('id', '=', connectionId)
      .executeTakeFirstOrThrow()
    const doing = { organizationId, connectionId, actorId: idOf('user', 0), requestId: 'bench' }
    await switchScim(db, doing, true, now)
    tokens.push((await createScimToken(db, doing, now))!.token)
    const stream = { connectionId, issuer, streamId: 'bench', audience: ['bench'] }
    const access = { authorization }
    await keepStream(db, sealer, { ...stream, access, pushAuthorization: authorization }, now)
  }
  const scim = (place: number) => ({
    authorization: `Bearer ${tokens[place]}`,
    'content-type': 'application/scim+json',
  })
  return [
    {
      how: 'back-channel logout',
      async prepare(_member, place, sub) {
        const asked = { clientId: `c${place}`, sub }
        const logout_token = await provider.ask<string>('logoutToken', asked)
        return {
          path: `/sso/${connections[place]}/backchannel-logout`,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: String(new URLSearchParams({ logout_token })),
        }
      },
    },
    {
      how: 'SCIM',
      async prepare(member, place, sub) {
        const path = `/scim/v2/${connections[place]}/Users`
        const headers = scim(place)
        const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: sub }
        const made = { path, headers, body: JSON.stringify(user) } satisfies Heard
        const { text } = await member.ask<{ text: string }>('hear', made)
        const { id } = JSON.parse(text) as { id: string }
        const Operations = [{ op: 'replace', path: 'active', value: false }]
        const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
        const body = JSON.stringify({ schemas, Operations })
        return { path: `${path}/${id}`, method: 'PATCH', headers, body }
      },
    },
    {
      how: 'Shared Signals',
      prepare: async (_member, place, sub) => ({
        path: `/ssf/${connections[place]}`,
        headers: { authorization, 'content-type': 'application/secevent+jwt' },
        body: await provider.ask<string>('securityEvent', sub),
      }),
    },
  ]
}
