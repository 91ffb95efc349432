import {
  createConnection,
  listActiveConnections,
  listConnections,
} from '../src/accounts/connections.ts'
import { findIdentity, linkIdentity } from '../src/accounts/identities.ts'
import {
  addMember,
  createOrganization,
  findOrganization,
  markLinked,
} from '../src/accounts/organizations.ts'
import { createUser } from '../src/accounts/users.ts'
import type { Services } from '../src/http/exchange.ts'
import { newId } from '../src/lib/ids.ts'
import { prepareSettings } from '../src/providers/index.ts'
import { presets, readAnswers } from '../src/providers/presets.ts'
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

/** What an administrator would enter about the development provider's other half. */
export function samlAnswers({ saml }: Pick<DevelopmentProvider, 'saml'>) {
  return {
    metadataUrl: saml.entityId,
    nameAttribute: 'name',
    emailAttribute: 'email',
    groupsAttribute: 'role',
  }
}

/**
 * Gives an organization a connection by SAML to the same provider, unless it has had one. Whoever has an account from
 * the start is linked there too; others are asked which account is theirs.
 * @param connectionId the organization's connection by OpenID Connect
 */
export async function seedSaml(
  services: Services,
  provider: Pick<DevelopmentProvider, 'issuer' | 'people' | 'saml'>,
  { connectionId, organizationId }: { connectionId: string; organizationId: string },
): Promise<void> {
  const { db, sealer, clock } = services
  const all = await listConnections(db, organizationId)
  if (all.some(({ kind }) => kind === 'saml')) return
  const [{ organization }] = all as [(typeof all)[number]]
  const id = newId()
  const answers = samlAnswers(provider)
  const settings = await prepareSettings(
    'saml',
    {
      settings: readAnswers(presets.saml, answers),
      answers,
      before: undefined,
      organization: organization.name,
    },
    { ...services, connectionId: id },
  )
  await db.transaction().execute(async (tx) => {
    const made = {
      id,
      organizationId,
      kind: 'saml',
      preset: 'saml',
      name: `${organization.name} SAML`,
      settings,
    }
    await createConnection(tx, sealer, { ...made, provisioning: 'register' }, clock.now())
    for (const { id: subject, name, email } of provider.people) {
      const known = await findIdentity(tx, { connectionId, issuer: provider.issuer, subject })
      if (known?.owner !== 'active') continue
      const key = { connectionId: id, issuer: provider.saml.entityId, subject }
      await linkIdentity(tx, { key, userId: known.userId, claims: { name, email } }, clock.now())
    }
  })
}
