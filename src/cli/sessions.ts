import { findConnection } from '../accounts/connections.ts'
import { findOrganization } from '../accounts/organizations.ts'
import { createSallyport } from '../app.ts'
import type { Services } from '../http/exchange.ts'
import { readConfig, type Environment } from '../lib/config.ts'
import { OperatorError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { createLog } from '../lib/log.ts'
import { endEverything, endProofs, type EndedCounts } from '../sessions/ending.ts'
import { requireReauthentication } from '../sessions/lock.ts'
import { revokeSessionsOf } from '../sessions/revoke.ts'
import { UsageError, type Values } from './command.ts'

type Ender = (services: Services, value: string) => Promise<string>

/** Whose sessions can be ended. */
const enders: Readonly<Record<string, Ender>> = {
  person: async (services, id) => {
    assertId('person', id)
    const actor = { requestId: undefined }
    const now = services.clock.now()
    const ended = await revokeSessionsOf(
      services,
      id,
      { reason: 'revoked_by_operator', actor },
      now,
    )
    return told({ sessions: ended, proofs: 0 })
  },
  organization: async (services, slug) => {
    const organization = await findOrganization(services.db, slug)
    if (!organization) throw new OperatorError(`There is no organization "${slug}".`)
    const which = { organizationId: organization.id }
    return told(await endProofs(services, which, {}, services.clock.now()))
  },
  connection: async (services, id) => {
    assertId('connection', id)
    const connection = await findConnection(services.db, id)
    if (!connection) throw new OperatorError(`There is no connection "${id}".`)
    const which = { organizationId: connection.organization.id, connectionId: id }
    return told(await endProofs(services, which, {}, services.clock.now()))
  },
  everything: async (services) =>
    told({ sessions: await endEverything(services, services.clock.now()), proofs: 0 }),
}

/** Ends sessions while servers run: when it is done, none of them accepts one. */
export async function endSessions(values: Values, env: Environment): Promise<void> {
  const chosen = Object.keys(enders).filter((name) => values[name] !== undefined)
  if (chosen.length !== 1)
    throw new UsageError(
      'Say whose: one of --person, --organization, --connection or --everything.',
    )
  const [name] = chosen as [string]
  await withServices(env, async (services) =>
    console.log(await enders[name]!(services, String(values[name]))),
  )
}

/** Demands of a person to sign in again, in every session they have. */
export async function lockSessions(values: Values, env: Environment): Promise<void> {
  const id = String(values['person'])
  assertId('person', id)
  await withServices(env, async (services) => {
    const locked = await requireReauthentication(services, id, { actor: {} }, services.clock.now())
    console.log(`${count(locked, 'session')} locked: nothing goes on there before a new sign-in.`)
  })
}

/** Runs a piece of work on the operator’s database, beside whatever servers run there. */
export async function withServices(
  env: Environment,
  work: (services: Services) => Promise<void>,
): Promise<void> {
  const config = readConfig(env)
  const sallyport = await createSallyport({ config, log: createLog('warn'), jobs: false })
  try {
    await work(sallyport.services)
  } finally {
    await sallyport.close()
  }
}

function assertId(option: string, value: string): void {
  if (!isId(value)) throw new UsageError(`--${option} takes an id; it is "${value}".`)
}

function told({ sessions, proofs }: EndedCounts): string {
  const others = proofs > 0 ? `, and ${count(proofs, 'more')} left that organization` : ''
  return `${count(sessions, 'session')} ended${others}.`
}

function count(n: number, what: string): string {
  return what === 'more' ? `${n} more` : `${n} ${what}${n === 1 ? '' : 's'}`
}
