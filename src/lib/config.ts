import { randomBytes } from 'node:crypto'
import { isMetadataAddress, isPrivateRange, parseRange, type AddressRange } from './addresses.ts'
import { keepSecret } from './development-secret.ts'
import { isMailbox } from './email-address.ts'
import { OperatorError } from './errors.ts'
import type { SealingKey } from './seal.ts'
import { Secret } from './secrets.ts'
import { nearest } from './spelling.ts'

/** One setting: where it comes from, what it means, and how its text is read. */
interface Setting<T> {
  readonly env: string
  /** What is used when the variable is not set, as its text; `null`: there is none. */
  readonly default: string | null
  readonly meaning: string
  /**
   * Reads the text, or throws an `Error` whose message ends the sentence "SALLYPORT_X …". It is printed, so it
   * repeats nothing of a text that holds a secret.
   */
  read(text: string): T
}

/** Every setting there is. `docs/configuration.md` is made from this table. */
export const settings = {
  mode: setting(
    'NODE_ENV',
    'production',
    'production, development or test. Development allows plain http on loopback.',
    oneOf('production', 'development', 'test'),
  ),
  url: setting(
    'SALLYPORT_URL',
    null,
    'The address people see, without a path: https://app.example.com. It must be the same host as the application, because the session cookie belongs to exactly one host.',
    origin,
  ),
  host: setting('HOST', '127.0.0.1', 'The address to listen on.', text),
  port: setting('PORT', '3000', 'The port to listen on.', whole(0, 65_535)),
  databaseUrl: setting(
    'DATABASE_URL',
    null,
    'A PostgreSQL 15 or later. Without it a PostgreSQL of our own runs as a child process and keeps its data in SALLYPORT_DATA.',
    postgresUrl,
  ),
  databasePool: setting(
    'DATABASE_POOL',
    '10',
    'The most database connections one process opens.',
    whole(1, 200),
  ),
  statementTimeoutMs: setting(
    'DATABASE_STATEMENT_TIMEOUT_MS',
    '5000',
    'How long one statement may take.',
    whole(100, 60_000),
  ),
  data: setting(
    'SALLYPORT_DATA',
    '.sallyport',
    'The folder for the embedded PostgreSQL and development secrets.',
    text,
  ),
  keys: setting(
    'SALLYPORT_KEYS',
    null,
    'The keys that seal secrets in the database, newest first: id:base64 of 32 bytes, comma separated. Make one with: sallyport key. To change keys, put the new one first, restart every server, run: sallyport reseal, and take the old one out a day later.',
    sealingKeys,
  ),
  proxies: setting(
    'SALLYPORT_PROXIES',
    '',
    'Reverse proxies whose X-Forwarded-* headers are believed: addresses or CIDR ranges, comma separated.',
    ranges,
  ),
  egressAllow: setting(
    'SALLYPORT_EGRESS_ALLOW',
    '',
    'Private addresses at which identity providers may be, where a company runs its own: addresses or CIDR ranges within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fc00::/7, comma separated. They too are asked by name and over https only.',
    privateRanges,
  ),
  proxySecret: setting(
    'SALLYPORT_PROXY_SECRET',
    null,
    'What a believed proxy must also send in X-Sallyport-Proxy: at least 32 characters. Make one with: sallyport secret',
    secretText,
  ),
  smtpUrl: setting(
    'SMTP_URL',
    null,
    'The mail server: smtps://user:password@mail.example.com, or smtp:// where it offers STARTTLS, which may be missing on loopback only. Without it no mail is sent in production: nobody is told of a new device, and signing in by mail cannot be switched on. npm start has a mailbox of its own.',
    smtpUrl,
  ),
  mailFrom: setting(
    'SALLYPORT_MAIL_FROM',
    null,
    'The address mail is from, such as sign-in@example.com.',
    mailAddress,
  ),
  personalSignIn: setting(
    'SALLYPORT_PERSONAL_SIGN_IN',
    'off',
    'Signing in without an organization, by a mailed link or a passkey: off, members (people with an account, at an address they have verified) or everybody (an unknown address gets an account).',
    oneOf('off', 'members', 'everybody'),
  ),
  organizations: setting(
    'SALLYPORT_ORGANIZATIONS',
    'off',
    'Who may make an organization: off (only whoever runs the server, with sallyport connect) or anybody (everybody who is signed in by mail or a passkey; they own it).',
    oneOf('off', 'anybody'),
  ),
  idleMinutes: setting(
    'SALLYPORT_SESSION_IDLE_MINUTES',
    '60',
    'A session ends after this long without a request.',
    whole(5, 43_200),
  ),
  absoluteMinutes: setting(
    'SALLYPORT_SESSION_ABSOLUTE_MINUTES',
    '720',
    'A session ends this long after the sign-in, whatever happens.',
    whole(10, 129_600),
  ),
  autosession: setting(
    'SALLYPORT_AUTOSESSION',
    'off',
    'on or off: whether invented people are signed in at the press of a button. npm start in the source sets it; in production nothing starts with it, and the published package holds nothing that reads it.',
    oneOf('off', 'on'),
  ),
  corsOrigins: setting(
    'SALLYPORT_CORS_ORIGINS',
    '',
    'Origins whose programs may read what the endpoints for programs answer, with the person’s session: https://admin.example.com, comma separated. Browsers send the cookie only from the same site, so only subdomains of SALLYPORT_URL’s site gain by it.',
    origins,
  ),
  keptIdleMinutes: setting(
    'SALLYPORT_KEPT_IDLE_MINUTES',
    '43200',
    'The session of somebody who asked to be kept signed in ends after this long without a request.',
    whole(5, 43_200),
  ),
  keptAbsoluteMinutes: setting(
    'SALLYPORT_KEPT_ABSOLUTE_MINUTES',
    '43200',
    'It ends this long after the sign-in, whatever happens.',
    whole(10, 129_600),
  ),
  keptReauthMinutes: setting(
    'SALLYPORT_KEPT_REAUTH_MINUTES',
    '720',
    'It changes nothing when the last sign-in was longer ago than this; reading goes on.',
    whole(1, 43_200),
  ),
  reauthMinutes: setting(
    'SALLYPORT_REAUTH_MINUTES',
    '10',
    'What needs a recent sign-in, such as ending other sessions, takes one that was at most this long ago.',
    whole(1, 60),
  ),
  sessionsPerPerson: setting(
    'SALLYPORT_SESSIONS_PER_PERSON',
    '10',
    'How many sessions a person may have; one more ends the least recently used.',
    whole(1, 100),
  ),
  guests: setting(
    'SALLYPORT_GUESTS',
    'off',
    'on: visitors may go on as guests, and take what they have done with them when they register or sign in.',
    oneOf('on', 'off'),
  ),
  guestIdleMinutes: setting(
    'SALLYPORT_GUEST_IDLE_MINUTES',
    '1440',
    'A guest’s session ends after this long without a request.',
    whole(5, 43_200),
  ),
  guestAbsoluteMinutes: setting(
    'SALLYPORT_GUEST_ABSOLUTE_MINUTES',
    '10080',
    'A guest’s session ends this long after it began, whatever happens.',
    whole(10, 129_600),
  ),
  guestQuota: setting(
    'SALLYPORT_GUEST_QUOTA',
    '100000',
    'The most guests at work at one time; nobody else becomes one meanwhile.',
    whole(1, 10_000_000),
  ),
  guestGraceDays: setting(
    'SALLYPORT_GUEST_GRACE_DAYS',
    '7',
    'What a guest has done is kept this long after their session, and then deleted.',
    whole(0, 90),
  ),
  termsUrl: setting(
    'SALLYPORT_TERMS_URL',
    null,
    'The terms of use, which whoever registers is shown: an https address.',
    httpsAddress,
  ),
  metricsPort: setting(
    'SALLYPORT_METRICS_PORT',
    null,
    'The port on which `sallyport serve` answers GET /metrics, and nothing else, for Prometheus. With --workers each has its own, from this one on. Without it nobody listens.',
    whole(1, 65_535),
  ),
  metricsHost: setting(
    'SALLYPORT_METRICS_HOST',
    '127.0.0.1',
    'The address that the metrics are on. There is no sign-in there: whoever reaches it reads them.',
    text,
  ),
  statsd: setting(
    'STATSD_URL',
    null,
    'Where the metrics are sent every ten seconds over UDP, such as udp://127.0.0.1:8125. Without it nowhere.',
    udpUrl,
  ),
  keepSessionsDays: setting(
    'SALLYPORT_KEEP_SESSIONS_DAYS',
    '7',
    'An ended session is kept this long, so that whoever presents it is told why it ended. The audit is kept for ever.',
    whole(1, 400),
  ),
  keepFlowsDays: setting(
    'SALLYPORT_KEEP_FLOWS_DAYS',
    '1',
    'A sign-in that has ended is kept this long, so that going back in the browser shows how it ended.',
    whole(1, 90),
  ),
  logLevel: setting(
    'LOG_LEVEL',
    'info',
    'fatal, error, warn, info, debug, trace or silent.',
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  ),
} as const

type Settings = typeof settings
type ValueOf<S> = S extends Setting<infer T> ? T : never
type Optional = {
  [K in keyof Settings]: Settings[K]['default'] extends null ? K : never
}[keyof Settings]

/** The settings as read, each under its short name; what has no default may be missing. */
export type RawConfig = { readonly [K in keyof Settings]: ValueOf<Settings[K]> | undefined }

/** A complete and checked configuration. */
export type Config = { readonly [K in Exclude<keyof Settings, Optional>]: ValueOf<Settings[K]> } & {
  readonly url: URL
  readonly keys: readonly SealingKey[]
  /** Secret, because it may hold a password. */
  readonly databaseUrl: Secret | undefined
  readonly proxySecret: Secret | undefined
  /** Secret, because it may hold a password. */
  readonly smtpUrl: Secret | undefined
  readonly mailFrom: string | undefined
  readonly termsUrl: URL | undefined
  readonly metricsPort: number | undefined
  readonly statsd: URL | undefined
}

/** Everything that is wrong with the configuration, in plain words. */
export class ConfigError extends OperatorError {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(
      [
        'Sallyport cannot start with these settings:',
        ...problems.map((line) => `  - ${line}`),
      ].join('\n'),
    )
    this.problems = problems
  }
}

/** A rule about settings that have been read; one about a setting that could not be is left out. */
interface Rule {
  readonly about: readonly (keyof Settings)[]
  readonly problem: string
  broken(config: RawConfig): boolean
}

const rules: readonly Rule[] = [
  {
    about: ['mode', 'url'],
    problem: 'SALLYPORT_URL is missing. Set it to the https address people see.',
    broken: (c) => c.mode === 'production' && !c.url,
  },
  {
    about: ['mode', 'url'],
    problem: 'SALLYPORT_URL must begin with https:// in production.',
    broken: (c) => c.mode === 'production' && c.url?.protocol === 'http:',
  },
  {
    about: ['mode', 'url'],
    problem: 'SALLYPORT_URL may be plain http only on loopback (localhost, 127.0.0.1).',
    broken: (c) =>
      c.mode !== 'production' && c.url?.protocol === 'http:' && !isLoopback(c.url.hostname),
  },
  {
    about: ['mode', 'host'],
    problem: 'HOST must be a loopback address outside production.',
    broken: (c) => c.mode !== 'production' && !isLoopback(c.host!),
  },
  {
    about: ['corsOrigins'],
    problem:
      'SALLYPORT_CORS_ORIGINS may name plain http origins only on loopback (localhost, 127.0.0.1).',
    broken: (c) =>
      c.corsOrigins!.some((one) => !one.startsWith('https:') && !isLoopback(new URL(one).hostname)),
  },
  {
    about: ['mode', 'keys'],
    problem: 'SALLYPORT_KEYS is missing. Make a key with: sallyport key',
    broken: (c) => c.mode === 'production' && !c.keys,
  },
  {
    about: ['mode', 'autosession'],
    problem:
      'security.autosession_refused: SALLYPORT_AUTOSESSION is on, which lets anybody in. It is for development only. Unset it.',
    broken: (c) => c.mode === 'production' && c.autosession === 'on',
  },
  {
    about: ['organizations', 'personalSignIn'],
    problem:
      'SALLYPORT_ORGANIZATIONS is anybody, but SALLYPORT_PERSONAL_SIGN_IN is off: whoever makes an organization must be able to sign in before it has a provider. Set the second to members or everybody.',
    broken: (c) => c.organizations === 'anybody' && c.personalSignIn === 'off',
  },
  {
    about: ['proxies', 'proxySecret'],
    problem:
      'SALLYPORT_PROXIES is set, and so SALLYPORT_PROXY_SECRET must be. Make one with: sallyport secret',
    broken: (c) => c.proxies!.length > 0 && !c.proxySecret,
  },
  {
    about: ['proxies', 'proxySecret'],
    problem:
      'SALLYPORT_PROXY_SECRET is set, but no proxy is believed. Name them in SALLYPORT_PROXIES.',
    broken: (c) => c.proxies!.length === 0 && c.proxySecret !== undefined,
  },
  {
    about: ['idleMinutes', 'absoluteMinutes'],
    problem: 'SALLYPORT_SESSION_IDLE_MINUTES is longer than SALLYPORT_SESSION_ABSOLUTE_MINUTES.',
    broken: (c) => c.idleMinutes! > c.absoluteMinutes!,
  },
  {
    about: ['guestIdleMinutes', 'guestAbsoluteMinutes'],
    problem: 'SALLYPORT_GUEST_IDLE_MINUTES is longer than SALLYPORT_GUEST_ABSOLUTE_MINUTES.',
    broken: (c) => c.guestIdleMinutes! > c.guestAbsoluteMinutes!,
  },
  {
    about: ['keptIdleMinutes', 'keptAbsoluteMinutes'],
    problem: 'SALLYPORT_KEPT_IDLE_MINUTES is longer than SALLYPORT_KEPT_ABSOLUTE_MINUTES.',
    broken: (c) => c.keptIdleMinutes! > c.keptAbsoluteMinutes!,
  },
  {
    about: ['smtpUrl', 'mailFrom'],
    problem: 'SMTP_URL is set, and so SALLYPORT_MAIL_FROM must be: mail needs a sender.',
    broken: (c) => c.smtpUrl !== undefined && !c.mailFrom,
  },
  {
    about: ['mode', 'personalSignIn', 'smtpUrl'],
    problem:
      'SALLYPORT_PERSONAL_SIGN_IN is on, but there is no mail server to send links with. Set SMTP_URL.',
    broken: (c) => c.mode === 'production' && c.personalSignIn !== 'off' && !c.smtpUrl,
  },
]

/** Switches of Node.js that make a server unsafe, and so are refused in production. */
const unsafeSwitches: readonly { variable: string; unsafe: RegExp; problem: string }[] = [
  {
    variable: 'NODE_TLS_REJECT_UNAUTHORIZED',
    unsafe: /^0$/,
    problem:
      'NODE_TLS_REJECT_UNAUTHORIZED=0 believes every certificate. Unset it; a certificate authority of your own goes into NODE_EXTRA_CA_CERTS.',
  },
  {
    variable: 'NODE_OPTIONS',
    unsafe: /--insecure-http-parser/,
    problem: 'NODE_OPTIONS has --insecure-http-parser. Take it out.',
  },
  {
    variable: 'NODE_OPTIONS',
    unsafe: /--inspect/,
    problem:
      'NODE_OPTIONS opens the debugger (--inspect), which can read every secret. Take it out.',
  },
  {
    variable: 'NODE_DEBUG',
    unsafe: /./,
    problem: 'NODE_DEBUG prints what is sent and received, cookies too. Unset it.',
  },
]

/** Where settings come from: `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads and checks every setting at once.
 * @param env the environment; unset and empty variables take their default
 * @throws ConfigError naming every problem
 */
export function readConfig(env: Environment): Config {
  const { config, unread, problems } = readSettings(env)
  const broken = rules.filter(
    (rule) => !rule.about.some((name) => unread.has(name)) && rule.broken(config),
  )
  const all = [
    ...problems,
    ...broken.map(({ problem }) => problem),
    ...(config.mode === 'production' ? unsafeIn(env) : []),
    ...unknownIn(env),
  ]
  if (all.length > 0) throw new ConfigError(all)
  return {
    ...(config as Config),
    url: config.url ?? new URL(`http://localhost:${config.port}`),
    keys: config.keys ?? developmentKeys(config.data!),
  }
}

/** The settings that can be read, and what is wrong with the others. */
function readSettings(env: Environment): {
  config: RawConfig
  unread: ReadonlySet<string>
  problems: readonly string[]
} {
  const config: Record<string, unknown> = {}
  const unread = new Map<string, string>()
  for (const [name, { env: variable, default: fallback, read }] of Object.entries(settings)) {
    const given = env[variable]?.trim() || fallback
    if (given === null) continue
    try {
      config[name] = read(given)
    } catch (error) {
      unread.set(name, `${variable} ${(error as Error).message}`)
    }
  }
  return {
    config: config as RawConfig,
    unread: new Set(unread.keys()),
    problems: [...unread.values()],
  }
}

function unsafeIn(env: Environment): readonly string[] {
  return unsafeSwitches
    .filter(({ variable, unsafe }) => unsafe.test(env[variable] ?? ''))
    .map(({ problem }) => problem)
}

const prefix = 'SALLYPORT_'

/** What Kubernetes sets in every container beside a service that is called "sallyport". */
const serviceLink = /^SALLYPORT_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/

/** A variable of ours that nobody reads is a setting that somebody believes in. */
function unknownIn(env: Environment): readonly string[] {
  const known = Object.values(settings).map((setting): string => setting.env)
  const isServiceLink = (name: string) =>
    serviceLink.test(name) || (name === 'SALLYPORT_PORT' && /^\w+:\/\//.test(env[name] ?? ''))
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith(prefix) && !known.includes(name) && !isServiceLink(name),
  )
  // The prefix is the same in most names, so it says nothing about what was meant.
  const short = (name: string) => name.replace(prefix, '')
  return unknown.map((name) => {
    const meant = nearest(short(name), known.map(short))
    const advice = meant
      ? `did you mean ${known.find((one) => short(one) === meant)}?`
      : 'docs/configuration.md has them all.'
    return `${name} is not a setting; ${advice}`
  })
}

/** Whether a host name or address is this machine and nothing else. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host === '[::1]' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
  )
}

/** A new sealing key as SALLYPORT_KEYS takes it. Its id says when it was made. */
export function newSealingKey(): string {
  return `k${Date.now().toString(36)}:${randomBytes(32).toString('base64')}`
}

/** The key that development makes for itself. */
function developmentKeys(folder: string): readonly SealingKey[] {
  const { text, file } = keepSecret(folder, 'keys', newSealingKey)
  try {
    return sealingKeys(text)
  } catch (error) {
    throw new ConfigError([
      `The file ${file} ${(error as Error).message} Or move the folder away to begin anew.`,
    ])
  }
}

function setting<T, const D extends string | null>(
  env: string,
  fallback: D,
  meaning: string,
  read: (text: string) => T,
): Setting<T> & { readonly default: D } {
  return { env, default: fallback, meaning, read }
}

function text(value: string): string {
  return value
}

function oneOf<const T extends string>(...allowed: T[]): (value: string) => T {
  return (value) => {
    const found = allowed.find((one) => one === value)
    if (!found) throw new Error(`must be one of ${allowed.join(', ')}; it is "${value}".`)
    return found
  }
}

function whole(least: number, most: number): (value: string) => number {
  return (value) => {
    const n = Number(value)
    if (!/^\d+$/.test(value) || n < least || n > most)
      throw new Error(`must be a whole number from ${least} to ${most}; it is "${value}".`)
    return n
  }
}

function origin(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new Error(
      'must be an http(s) address without path, user or query, such as https://app.example.com.',
    )
  return url
}

function httpsAddress(value: string): URL {
  const url = URL.parse(value)
  if (url?.protocol !== 'https:' || url.username || url.password)
    throw new Error('must be an https address, such as https://example.com/terms.')
  return url
}

function origins(value: string): readonly string[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
  return entries.map((entry) => {
    if (entry === '*')
      throw new Error('cannot hold *: name the origins, such as https://admin.example.com.')
    return origin(entry).origin
  })
}

function postgresUrl(value: string): Secret {
  const url = URL.parse(value)
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || !isDecodable(url.href))
    throw new Error(
      'must look like postgres://user:password@host:5432/database, with %-codes for special characters.',
    )
  return new Secret(value)
}

function udpUrl(value: string): URL {
  const url = URL.parse(value)
  if (url?.protocol !== 'udp:' || !url.hostname || url.username || url.password)
    throw new Error('must look like udp://127.0.0.1:8125.')
  return url
}

function smtpUrl(value: string): Secret {
  const url = URL.parse(value)
  const plain = url && /^\/?$/.test(url.pathname) && !url.search && !url.hash
  if (!plain || !/^smtps?:$/.test(url.protocol) || !url.hostname || !isDecodable(url.href))
    throw new Error(
      'must look like smtps://user:password@mail.example.com:465, with %-codes for special characters.',
    )
  return new Secret(value)
}

function mailAddress(value: string): string {
  if (!isMailbox(value))
    throw new Error(
      'must be one plain address, such as sign-in@example.com, without a name and brackets.',
    )
  return value
}

/** Whether the driver can take the %-codes apart; its own complaint would come late and without a word of advice. */
function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== ''
  } catch {
    return false
  }
}

const base64Of32Bytes = /^[A-Za-z0-9+/]{43}=$/

function sealingKeys(value: string): readonly SealingKey[] {
  const keys = value.split(',').map((entry, i) => {
    const [id = '', encoded = '', ...rest] = entry.trim().split(':')
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(id) || !base64Of32Bytes.test(encoded) || rest.length > 0)
      throw new Error(
        'must be id:base64 of 32 bytes, comma separated. Make one with: sallyport key',
      )
    const key = Buffer.from(encoded, 'base64')
    if (!looksRandom(key))
      throw new Error(
        `holds a key that is not random (number ${i + 1}). Make one with: sallyport key`,
      )
    return { id, key: new Secret(key) }
  })
  if (new Set(keys.map(({ id }) => id)).size !== keys.length)
    throw new Error('names one key id twice.')
  return keys
}

/** False for what somebody typed: a few bytes over and over, or a text. Of 10^13 random keys one is a text. */
function looksRandom(key: Buffer): boolean {
  return new Set(key).size >= 8 && key.some((byte) => byte < 0x20 || byte > 0x7e)
}

const leastNetworkBits = 8

function ranges(value: string): readonly AddressRange[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
  return entries.map((entry) => {
    const range = parseRange(entry)
    if (!range) throw new Error(`holds "${entry}", which is no address or CIDR range.`)
    if (range[1] < leastNetworkBits)
      throw new Error(
        `holds "${entry}", which is half the world. Name the addresses you mean, at most a /${leastNetworkBits}.`,
      )
    return range
  })
}

function privateRanges(value: string): readonly AddressRange[] {
  const wrong = ranges(value).find(
    (range) => !isPrivateRange(range) || isMetadataAddress(range[0].toString()),
  )
  if (wrong)
    throw new Error(
      `holds ${wrong.join('/')}, which is not within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fc00::/7, or is where a cloud keeps its credentials. Public addresses need no permission.`,
    )
  return ranges(value)
}

function secretText(value: string): Secret {
  if (value.length < 32)
    throw new Error('must have at least 32 characters. Make one with: sallyport secret')
  if (new Set(value).size < 8) throw new Error('is not random. Make one with: sallyport secret')
  return new Secret(value)
}
