import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createConnection } from './accounts/connections.ts'
import { createOrganization, findOrganization } from './accounts/organizations.ts'
import { createSallyport, type Sallyport } from './app.ts'
import { EmbeddedPostgresError } from './db/embedded.ts'
import { SchemaError } from './db/migrate.ts'
import { redirectUriOf } from './flows/login.ts'
import { createHttpServer, listen, stopServer } from './http/server.ts'
import { ConfigError, newSealingKey, readConfig } from './lib/config.ts'
import { createEgress } from './lib/egress.ts'
import { AppError } from './lib/errors.ts'
import { newId } from './lib/ids.ts'
import { createLog } from './lib/log.ts'
import { checkConnection } from './providers/index.ts'

interface Command {
  readonly usage: string
  readonly meaning: string
  readonly options: Readonly<Record<string, { type: 'string' | 'boolean'; required?: boolean }>>
  run(values: Readonly<Record<string, string | boolean | undefined>>): Promise<void>
}

/** Every command there is. The help text is made from this table. */
export const commands: Readonly<Record<string, Command>> = {
  serve: {
    usage: 'serve',
    meaning: 'Run the server. Settings come from the environment: see docs/configuration.md.',
    options: {},
    run: serve,
  },
  connect: {
    usage:
      'connect --org acme [--org-name "Acme Inc"] --name Okta --issuer URL --client-id ID --secret-file FILE [--everybody]',
    meaning:
      'Connect an organization’s OpenID provider. With --everybody, whoever it vouches for may join.',
    options: {
      org: { type: 'string', required: true },
      'org-name': { type: 'string' },
      name: { type: 'string', required: true },
      issuer: { type: 'string', required: true },
      'client-id': { type: 'string', required: true },
      'secret-file': { type: 'string', required: true },
      everybody: { type: 'boolean' },
    },
    run: connect,
  },
  key: {
    usage: 'key',
    meaning: 'Print a new sealing key for SALLYPORT_KEYS.',
    options: {},
    run: async () => console.log(newSealingKey()),
  },
  secret: {
    usage: 'secret',
    meaning: 'Print a new secret for SALLYPORT_PROXY_SECRET.',
    options: {},
    run: async () => console.log(randomBytes(32).toString('base64url')),
  },
}

/** Bad arguments: told with the usage, exit code 2. */
class UsageError extends Error {}

/**
 * Runs one command line. Faults that an operator can mend are told in a sentence, without a stack.
 * @returns the exit code: 0, 1 for a failure, 2 for wrong arguments
 */
export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    console.log(help())
    return 0
  }
  try {
    const command = Object.hasOwn(commands, name) ? commands[name]! : undefined
    if (!command) throw new UsageError(`There is no command "${name}".\n\n${help()}`)
    await command.run(parse(command, rest))
    return 0
  } catch (error) {
    console.error(explain(error))
    return error instanceof UsageError ? 2 : 1
  }
}

function parse(command: Command, args: string[]): Record<string, string | boolean | undefined> {
  const missing = (values: Record<string, unknown>) =>
    Object.entries(command.options).filter(
      ([name, { required }]) => required && values[name] === undefined,
    )
  try {
    const { values } = parseArgs({
      args,
      options: command.options as Record<string, { type: 'string' | 'boolean' }>,
    })
    const [first] = missing(values)
    if (first) throw new Error(`--${first[0]} is missing.`)
    return values as Record<string, string | boolean | undefined>
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nUsage: sallyport ${command.usage}`)
  }
}

function help(): string {
  const rows = Object.values(commands).map(
    ({ usage, meaning }) => `  sallyport ${usage}\n      ${meaning}`,
  )
  return `Usage:\n${rows.join('\n')}`
}

/** A fault in words for the operator: one sentence where it is one they can mend. */
export function explain(error: unknown): string {
  if (error instanceof AppError && error.code === 'config_rejected')
    return [
      `These settings cannot be used:`,
      ...((error.members['problems'] as string[]) ?? []).map((line) => `  - ${line}`),
    ].join('\n')
  const known = [UsageError, ConfigError, EmbeddedPostgresError, SchemaError].some(
    (kind) => error instanceof kind,
  )
  if (known) return (error as Error).message
  const { code, message, stack } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return `${message}. Something else listens there: stop it, or set PORT.`
  if (code === 'ECONNREFUSED')
    return `The database does not answer (${message}). Is DATABASE_URL right, and is it running?`
  return stack ?? String(error)
}

async function serve(): Promise<void> {
  const config = readConfig(process.env)
  const sallyport = await createSallyport({ config })
  const server = createHttpServer(sallyport.fetch)
  const port = await listen(server, config)
  sallyport.services.log.info(
    { host: config.host, port, url: config.url.origin },
    'Sallyport is ready',
  )
  await untilStopped()
  await stopServer(server)
  await sallyport.close()
}

/** Resolves at SIGINT or SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}

async function connect(
  values: Readonly<Record<string, string | boolean | undefined>>,
): Promise<void> {
  const config = readConfig(process.env)
  const log = createLog('warn')
  const settings = {
    issuer: values['issuer'],
    clientId: values['client-id'],
    clientAuth: 'client_secret_basic',
    clientSecret: readSecretFile(String(values['secret-file'])),
  }
  const id = newId()
  const sallyport = await createSallyport({ config, log })
  const egress = createEgress({ allowLoopback: config.mode !== 'production' })
  try {
    await checkConnection('oidc', settings, {
      egress,
      clock: sallyport.services.clock,
      log,
      connectionId: id,
    })
    await store(sallyport, id, settings, values)
  } finally {
    await egress.close()
    await sallyport.close()
  }
  console.log(
    `Connected. Register this redirect URI at the provider:\n  ${redirectUriOf(config.url.origin, id)}`,
  )
}

async function store(
  { services: { db, sealer, clock } }: Sallyport,
  id: string,
  settings: unknown,
  values: Readonly<Record<string, string | boolean | undefined>>,
): Promise<void> {
  const slug = String(values['org'])
  const now = clock.now()
  await db.transaction().execute(async (tx) => {
    const organization =
      (await findOrganization(tx, slug)) ??
      (await createOrganization(tx, { slug, name: String(values['org-name'] ?? slug) }, now))
    const provisioning = values['everybody'] ? 'everybody' : 'off'
    await createConnection(
      tx,
      sealer,
      {
        id,
        organizationId: organization.id,
        kind: 'oidc',
        name: String(values['name']),
        settings,
        provisioning,
      },
      now,
    )
  })
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`The secret file cannot be read: ${(error as Error).message}`)
  }
}
