import { createConnection, listActiveConnections } from '../src/accounts/connections.ts'
import { linkIdentity } from '../src/accounts/identities.ts'
import {
  addMember,
  createOrganization,
  findOrganization,
  markLinked,
} from '../src/accounts/organizations.ts'
import { createUser } from '../src/accounts/users.ts'
import type { Services } from '../src/http/exchange.ts'
import { newId } from '../src/lib/ids.ts'
import type { DevelopmentProvider } from './provider.ts'

/**
 * Makes the organization whose people one can sign in as, connected to the development provider, unless it is there.
 * Its owner and admin have accounts from the start; everybody else joins by signing in.
 * @returns the connection's id
 */
export async function seed(
  { db, sealer, clock }: Services,
  provider: Pick<DevelopmentProvider, 'issuer' | 'clientId' | 'clientSecret' | 'people'>,
  { slug = 'acme', name = 'Acme' } = {},
): Promise<string> {
  const now = clock.now()
  const existing = await findOrganization(db, slug)
  const [connection] = existing ? await listActiveConnections(db, existing.id) : []
  if (connection) return connection.id

  return db.transaction().execute(async (tx) => {
    const organization = existing ?? (await createOrganization(tx, { slug, name }, now))
    const id = newId()
    const { issuer, clientId, clientSecret } = provider
    const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
    await createConnection(
      tx,
      sealer,
      {
        id,
        organizationId: organization.id,
        kind: 'oidc',
        name: `${name} SSO`,
        settings,
        provisioning: 'everybody',
      },
      now,
    )
    // Often enough to watch it: an hour is nobody's patience.
    await tx
      .updateTable('connections')
      .set({ check_every_minutes: 1 })
      .where('id', '=', id)
      .execute()
    for (const person of provider.people) {
      const { role } = person
      if (role !== 'owner' && role !== 'admin') continue
      const claims = { name: person.name, email: person.email }
      const userId = await createUser(tx, claims, now)
      const member = { organizationId: organization.id, userId }
      await linkIdentity(
        tx,
        { key: { connectionId: id, issuer, subject: person.id }, userId, claims },
        now,
      )
      await addMember(tx, { ...member, role }, now)
      await markLinked(tx, member, now)
    }
    return id
  })
}
