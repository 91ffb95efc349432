import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ipaddr from 'ipaddr.js'
import type { SealingKey } from './seal.ts'
import { Secret } from './secrets.ts'

/** One setting: where it comes from, what it means, and how its text is read. */
interface Setting<T> {
  readonly env: string
  /** What is used when the variable is not set, as its text; `null`: there is none. */
  readonly default: string | null
  readonly meaning: string
  /** Reads the text, or throws an `Error` whose message ends the sentence "SALLYPORT_X …". */
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
    'The keys that seal secrets in the database, newest first: id:base64 of 32 bytes, comma separated. Make one with: sallyport key',
    sealingKeys,
  ),
  proxies: setting(
    'SALLYPORT_PROXIES',
    '',
    'Reverse proxies whose X-Forwarded-* headers are believed: addresses or CIDR ranges, comma separated.',
    ranges,
  ),
  proxySecret: setting(
    'SALLYPORT_PROXY_SECRET',
    null,
    'What a believed proxy must also send in X-Sallyport-Proxy: at least 32 characters. Make one with: sallyport secret',
    secretText,
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
  readonly databaseUrl: string | undefined
  readonly proxySecret: Secret | undefined
}

/** Everything that is wrong with the configuration, in plain words. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(
      [
        'Sallyport cannot start with these settings:',
        ...problems.map((line) => `  - ${line}`),
      ].join('\n'),
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** A rule about several settings at once; `broken` tells when it does not hold. */
interface Rule {
  readonly problem: string
  broken(config: RawConfig): boolean
}

const rules: readonly Rule[] = [
  {
    problem: 'SALLYPORT_URL is missing. Set it to the https address people see.',
    broken: (c) => c.mode === 'production' && !c.url,
  },
  {
    problem: 'SALLYPORT_URL must begin with https:// in production.',
    broken: (c) => c.mode === 'production' && c.url?.protocol === 'http:',
  },
  {
    problem: 'SALLYPORT_URL may be plain http only on loopback (localhost, 127.0.0.1).',
    broken: (c) =>
      c.mode !== 'production' && c.url?.protocol === 'http:' && !isLoopback(c.url.hostname),
  },
  {
    problem: 'HOST must be a loopback address outside production.',
    broken: (c) => c.mode !== 'production' && c.host !== undefined && !isLoopback(c.host),
  },
  {
    problem: 'SALLYPORT_KEYS is missing. Make a key with: sallyport key',
    broken: (c) => c.mode === 'production' && !c.keys,
  },
  {
    problem:
      'SALLYPORT_PROXIES is set, and so SALLYPORT_PROXY_SECRET must be. Make one with: sallyport secret',
    broken: (c) => (c.proxies?.length ?? 0) > 0 && !c.proxySecret,
  },
  {
    problem: 'SALLYPORT_SESSION_IDLE_MINUTES is longer than SALLYPORT_SESSION_ABSOLUTE_MINUTES.',
    broken: (c) => (c.idleMinutes ?? 0) > (c.absoluteMinutes ?? Infinity),
  },
]

/**
 * Reads and checks every setting at once.
 * @param env the environment; unset and empty variables take their default
 * @throws ConfigError naming every problem
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = []
  const raw: Record<string, unknown> = {}
  for (const [name, { env: variable, default: fallback, read }] of Object.entries(settings)) {
    const given = env[variable]?.trim() || fallback
    if (given === null || given === undefined) continue
    try {
      raw[name] = read(given)
    } catch (error) {
      problems.push(`${variable} ${(error as Error).message}`)
    }
  }
  const config = raw as RawConfig
  problems.push(...rules.filter((rule) => rule.broken(config)).map((rule) => rule.problem))
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    ...(config as Config),
    url: config.url ?? new URL(`http://localhost:${config.port}`),
    keys: config.keys ?? developmentKeys(config.data!),
  }
}

/** Whether a host name or address is this machine and nothing else. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host === '[::1]' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
  )
}

/** A new sealing key as SALLYPORT_KEYS takes it. */
export function newSealingKey(): string {
  return `k${Date.now().toString(36)}:${randomBytes(32).toString('base64')}`
}

/** The key that development makes for itself and keeps in the data folder, readable by its owner only. */
function developmentKeys(folder: string): readonly SealingKey[] {
  const file = join(folder, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(file, `${newSealingKey()}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return sealingKeys(readFileSync(file, 'utf8').trim())
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
    throw new Error(`must be an http(s) address without path, user or query; it is "${value}".`)
  return url
}

function postgresUrl(value: string): string {
  if (!URL.canParse(value) || !/^postgres(ql)?:$/.test(new URL(value).protocol))
    throw new Error('must look like postgres://user:password@host:5432/database.')
  return value
}

function sealingKeys(value: string): readonly SealingKey[] {
  const keys = value.split(',').map((entry) => {
    const [id = '', encoded = '', ...rest] = entry.trim().split(':')
    const key = Buffer.from(encoded, 'base64')
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(id) || key.length !== 32 || rest.length > 0)
      throw new Error(
        'must be id:base64 of 32 bytes, comma separated. Make one with: sallyport key',
      )
    if (new Set(key).size < 8)
      throw new Error(`holds a key that is not random ("${id}"). Make one with: sallyport key`)
    return { id, key: new Secret(key) }
  })
  if (new Set(keys.map(({ id }) => id)).size !== keys.length)
    throw new Error('names one key id twice.')
  return keys
}

/** An address range: the network and how many of its bits count. */
export type AddressRange = [ipaddr.IPv4 | ipaddr.IPv6, number]

function ranges(value: string): readonly AddressRange[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
  return entries.map((entry) => {
    const whole = ipaddr.isValid(entry)
    if (!whole && !ipaddr.isValidCIDR(entry))
      throw new Error(`holds "${entry}", which is no address or CIDR range.`)
    const range: AddressRange = whole
      ? [ipaddr.parse(entry), ipaddr.parse(entry).toByteArray().length * 8]
      : ipaddr.parseCIDR(entry)
    if (range[1] === 0) throw new Error(`holds "${entry}", which is everybody.`)
    return range
  })
}

function secretText(value: string): Secret {
  if (value.length < 32)
    throw new Error('must have at least 32 characters. Make one with: sallyport secret')
  return new Secret(value)
}
