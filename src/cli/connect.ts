import { readFileSync } from 'node:fs'
import { createConnection, type Provisioning } from '../accounts/connections.ts'
import {
  createOrganization,
  findOrganization,
  type Organization,
} from '../accounts/organizations.ts'
import { createSallyport, type Sallyport } from '../app.ts'
import type { Db } from '../db/open.ts'
import { redirectUriOf } from '../flows/login.ts'
import { readConfig, type Environment } from '../lib/config.ts'
import { newId } from '../lib/ids.ts'
import { createLog } from '../lib/log.ts'
import { checkConnection } from '../providers/index.ts'
import { UsageError, type Values } from './command.ts'

/** Connects an organization's OpenID provider, after asking the provider about itself. */
export async function connect(values: Values, env: Environment): Promise<void> {
  const settings = {
    issuer: values['issuer'],
    clientId: values['client-id'],
    clientAuth: 'client_secret_basic',
    clientSecret: readSecretFile(String(values['secret-file'])),
  }
  const config = readConfig(env)
  const sallyport = await createSallyport({ config, log: createLog('warn'), jobs: false })
  try {
    const { organization, id } = await checkAndStore(sallyport, settings, values)
    console.log(
      `Connected ${organization.name} (${config.url.origin}/login/${organization.slug}). Register this redirect URI at the provider:\n  ${redirectUriOf(config.url.origin, id)}`,
    )
  } finally {
    await sallyport.close()
  }
}

async function checkAndStore(
  { services: { db, sealer, clock, egress, log } }: Sallyport,
  settings: unknown,
  values: Values,
): Promise<{ organization: Organization; id: string }> {
  const id = newId()
  await checkConnection('oidc', settings, { egress, clock, log, connectionId: id })
  const now = clock.now()
  return db.transaction().execute(async (tx) => {
    const organization = await organizationFor(tx, values, now)
    const name = String(values['name'])
    const connection = { id, organizationId: organization.id, kind: 'oidc', name, settings }
    await createConnection(tx, sealer, { ...connection, provisioning: provisioningOf(values) }, now)
    return { organization, id }
  })
}

/** Who may join by signing in. @throws UsageError when both ways are asked for */
function provisioningOf({ everybody, register }: Values): Provisioning {
  if (everybody && register) throw new UsageError('Use --everybody or --register, not both.')
  return everybody ? 'everybody' : register ? 'register' : 'off'
}

/**
 * The organization with that slug, made if need be.
 * @throws UsageError when there is one by another name: a slug chosen twice would let one company into another
 */
async function organizationFor(tx: Db, values: Values, now: Date): Promise<Organization> {
  const slug = String(values['org'])
  const name = values['org-name']
  const existing = await findOrganization(tx, slug)
  if (!existing) return createOrganization(tx, { slug, name: String(name ?? slug) }, now)
  if (name === undefined || name === existing.name) return existing
  throw new UsageError(
    `There is already an organization "${slug}", and its name is "${existing.name}". Leave --org-name out to connect that one, or choose another --org.`,
  )
}

function readSecretFile(file: string): string {
  let secret: string
  try {
    secret = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--secret-file cannot be read: ${(error as Error).message}`)
  }
  if (secret === '') throw new UsageError(`--secret-file: ${file} is empty.`)
  return secret
}
