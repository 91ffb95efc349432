import { randomBytes } from 'node:crypto'
import { exportAudit, verifyAudit } from './cli/audit.ts'
import { parse, UsageError, type Command } from './cli/command.ts'
import { connect } from './cli/connect.ts'
import { explain } from './cli/explain.ts'
import { doctor } from './cli/doctor.ts'
import { addOrganization, deleteOrganization, unrequireSso } from './cli/organizations.ts'
import { serve, work } from './cli/serve.ts'
import { reseal } from './cli/reseal.ts'
import { endSessions, lockSessions } from './cli/sessions.ts'
import { verify } from './cli/verify.ts'
import { newSealingKey, type Environment } from './lib/config.ts'
import { nearest } from './lib/spelling.ts'

/** Every command there is. The help text is made from this table. */
export const commands: Readonly<Record<string, Command>> = {
  serve: {
    usage: 'serve [--workers N] [--no-worker]',
    meaning:
      'Run the server, with --workers as that many processes. It does the background work too, unless --no-worker leaves that to a worker. Settings come from the environment: see docs/configuration.md.',
    options: { workers: { type: 'string' }, 'no-worker': { type: 'boolean' } },
    run: serve,
  },
  worker: {
    usage: 'worker',
    meaning:
      'Do the background work only: mail, webhooks, asking providers again, upkeep. Any number may, on one database; a server does it too unless it has --no-worker.',
    options: {},
    run: work,
  },
  verify: {
    usage: 'verify --connection NAME|ID [--org acme]',
    meaning:
      'Ask about everybody of a connection now, as fast as its allowance lets, and say what came of it. Exit code 1 when somebody could not be asked about, or the brake holds.',
    options: { connection: { type: 'string', required: true }, org: { type: 'string' } },
    run: verify,
  },
  doctor: {
    usage: 'doctor',
    meaning:
      'Look at the settings, the database, the background work, every connection in use, certificates and client secrets, and say what is wrong. Exit code 1 when something is.',
    options: {},
    run: doctor,
  },
  connect: {
    usage:
      'connect --org acme [--org-name "Acme Inc"] --name Okta [--preset okta] [--set domain=acme.okta.com]… [--issuer URL] --client-id ID --secret-file FILE [--everybody | --register]',
    meaning:
      'Connect an organization’s identity provider: any OpenID provider by its issuer, or with --preset one of docs/providers, whose page says what it asks for. With --everybody, whoever it vouches for may join; with --register, on a form.',
    options: {
      org: { type: 'string', required: true },
      'org-name': { type: 'string' },
      name: { type: 'string', required: true },
      preset: { type: 'string' },
      set: { type: 'string', multiple: true },
      issuer: { type: 'string' },
      'client-id': { type: 'string' },
      'secret-file': { type: 'string' },
      everybody: { type: 'boolean' },
      register: { type: 'boolean' },
    },
    run: connect,
  },
  'audit verify': {
    usage: 'audit verify [--head N:HASH]',
    meaning:
      'Check that nothing in the audit was changed, taken out or moved. With --head, that what an earlier run printed still stands in it.',
    options: { head: { type: 'string' } },
    run: verifyAudit,
  },
  'audit export': {
    usage: 'audit export [--from TIME] [--to TIME] [--org acme]',
    meaning: 'Print the audit as JSON lines, oldest first.',
    options: { from: { type: 'string' }, to: { type: 'string' }, org: { type: 'string' } },
    run: exportAudit,
  },
  'sessions end': {
    usage: 'sessions end --person ID | --organization acme | --connection ID | --everything',
    meaning:
      'End sessions while servers run; when it is done, no server accepts one. --everything ends sign-ins under way too: do that after a backup was restored.',
    options: {
      person: { type: 'string' },
      organization: { type: 'string' },
      connection: { type: 'string' },
      everything: { type: 'boolean' },
    },
    run: endSessions,
  },
  'sessions lock': {
    usage: 'sessions lock --person ID',
    meaning: 'Demand of a person to sign in again before anything goes on in their sessions.',
    options: { person: { type: 'string', required: true } },
    run: lockSessions,
  },
  'organization create': {
    usage: 'organization create --slug acme [--name "Acme Inc"] --owner ada@acme.example',
    meaning:
      'Make an organization and print the link by which its first owner comes in. People make their own at /organizations/new.',
    options: {
      slug: { type: 'string', required: true },
      name: { type: 'string' },
      owner: { type: 'string', required: true },
    },
    run: addOrganization,
  },
  'organization delete': {
    usage: 'organization delete --slug acme',
    meaning:
      'Delete an organization while servers run, for good: its members do not get in any more, and sign-ins under way end. Accounts and the audit stay.',
    options: { slug: { type: 'string', required: true } },
    run: deleteOrganization,
  },
  'organization unrequire': {
    usage: 'organization unrequire --slug acme',
    meaning:
      'Let an organization’s members in by themselves again, when the sign-in it requires is broken and no owner has a recovery code.',
    options: { slug: { type: 'string', required: true } },
    run: unrequireSso,
  },
  key: {
    usage: 'key',
    meaning: 'Print a new sealing key for SALLYPORT_KEYS.',
    options: {},
    run: async () => console.log(newSealingKey()),
  },
  reseal: {
    usage: 'reseal',
    meaning:
      'Seal anew, while servers run, what was sealed under an older key, so that it can be taken out of SALLYPORT_KEYS.',
    options: {},
    run: reseal,
  },
  secret: {
    usage: 'secret',
    meaning: 'Print a new secret for SALLYPORT_PROXY_SECRET.',
    options: {},
    run: async () => console.log(randomBytes(32).toString('base64url')),
  },
}

/**
 * Runs one command line. Its settings come from `env`. Faults that an operator can mend are told in a sentence on standard error, without a stack.
 * @returns the exit code: 0, 1 for a failure, 2 for wrong arguments
 */
export async function run(
  args: readonly string[],
  env: Environment = process.env,
): Promise<number> {
  const [name, rest] = split(args)
  try {
    if (['help', '--help', '-h'].includes(name)) {
      console.log(helpOn(Object.values(commands)))
      return 0
    }
    const command = find(name)
    const values = parse(command, rest)
    if (values) await command.run(values, env)
    else console.log(helpOn([command]))
    return 0
  } catch (error) {
    console.error(explain(error))
    return error instanceof UsageError ? 2 : 1
  }
}

/** A command's name is one word, or two where the first alone is none. */
function split([first = 'help', ...rest]: readonly string[]): [name: string, rest: string[]] {
  const [second, ...others] = rest
  const isFirstOfTwo = Object.keys(commands).some((name) => name.startsWith(`${first} `))
  if (isFirstOfTwo && second !== undefined && !second.startsWith('-'))
    return [`${first} ${second}`, others]
  return [first, rest]
}

function find(name: string): Command {
  const names = Object.keys(commands)
  if (names.includes(name)) return commands[name]!
  const meant = nearest(name, names)
  throw new UsageError(
    `There is no command "${name}"${meant ? `; did you mean ${meant}?` : '.'}\n\n${helpOn(Object.values(commands))}`,
  )
}

function helpOn(listed: readonly Command[]): string {
  const rows = listed.map(({ usage, meaning }) => `  sallyport ${usage}\n      ${meaning}`)
  return `Usage:\n${rows.join('\n')}`
}
