import { createConnection, type Provisioning } from '../accounts/connections.ts'
import {
  createOrganization,
  findOrganization,
  type Organization,
} from '../accounts/organizations.ts'
import { createSallyport, type Sallyport } from '../app.ts'
import type { Db } from '../db/open.ts'
import { placesOf } from '../flows/places.ts'
import { readConfig, type Environment } from '../lib/config.ts'
import { newId } from '../lib/ids.ts'
import { createLog } from '../lib/log.ts'
import { checkConnection, prepareSettings } from '../providers/index.ts'
import type { Preset } from '../providers/presets.ts'
import { readAnswerOptions, type Answered } from './answers.ts'
import { UsageError, type Values } from './command.ts'

/** Connects an organization's provider, after asking the provider about itself. */
export async function connect(values: Values, env: Environment): Promise<void> {
  const answered = readAnswerOptions(values)
  const config = readConfig(env)
  const sallyport = await createSallyport({ config, log: createLog('warn'), jobs: false })
  try {
    const { organization, id } = await checkAndStore(sallyport, answered, values)
    const { origin } = config.url
    console.log(
      `Connected ${organization.name} (${origin}/login/${organization.slug}). Register this at the provider:\n${toRegister(answered.preset, origin, id)}`,
    )
  } finally {
    await sallyport.close()
  }
}

/** What has to be copied into the provider's own form, a line each. */
function toRegister({ guide }: Preset, origin: string, id: string): string {
  const places = placesOf(origin, id)
  const copied = guide.flatMap(({ copy = [] }) => copy)
  return copied.map(({ field, place }) => `  ${field}: ${places[place]}`).join('\n')
}

async function checkAndStore(
  { services: { db, sealer, clock, egress, log } }: Sallyport,
  { preset: { kind }, answers, settings: drafted }: Answered,
  values: Values,
): Promise<{ organization: Organization; id: string }> {
  const id = newId()
  const context = { egress, clock, log, connectionId: id }
  const named = { organization: String(values['org-name'] ?? values['org']) }
  const draft = { settings: drafted, answers, before: undefined, ...named }
  const settings = await prepareSettings(kind, draft, context)
  await checkConnection(kind, settings, context)
  const now = clock.now()
  return db.transaction().execute(async (tx) => {
    const organization = await organizationFor(tx, values, now)
    const name = String(values['name'])
    const connection = { id, organizationId: organization.id, kind, name, settings }
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
