import assert from 'node:assert/strict'
import { after, afterEach } from 'node:test'
import { inspect } from 'node:util'
import { createEgress, type Egress } from '../../src/lib/egress.ts'
import { AppError, type ErrorCode } from '../../src/lib/errors.ts'
import { createLog } from '../../src/lib/log.ts'
import { openProvider } from '../../src/providers/index.ts'
import type { Proof } from '../../src/providers/proof.ts'
import type { Destination, Provider, ProviderContext } from '../../src/providers/provider.ts'
import {
  startHostileProvider,
  type HostileProvider,
  type HostileProviderOptions,
  type Json,
} from '../hostile-provider.ts'

/** A connection whose provider is hostile, and the steps of a sign-in through it. */
export interface World {
  readonly hostile: HostileProvider
  readonly egress: Egress
  /** Moves every clock on, by milliseconds. */
  pass(milliseconds: number): void
  /** The time, in whole seconds. */
  time(): number
  /** A context of its own: nothing is remembered from an earlier one. */
  context(): ProviderContext
  /** The least settings that work, changed by `more`; undefined takes a setting away. */
  settings(more?: Json): Json
  connect(more?: Json, context?: ProviderContext): Provider
  /** The whole way: begin, the visit at the provider, complete. */
  signIn(provider?: Provider, to?: Partial<Destination>): Promise<Proof>
}

export const destination: Destination = {
  redirectUri: 'https://app.example.com/sso/c1/callback',
  handle: 'handle-of-the-flow',
}

/** Starts a world for the tests of one file; honest again after each test. */
export async function createWorld(options: HostileProviderOptions = {}): Promise<World> {
  let now = Date.parse('2030-01-01T00:00:00Z')
  let connections = 0
  const clock = { now: () => new Date(now) }
  const hostile = await startHostileProvider({ ...options, now: clock.now })
  const egress = createEgress({ allowLoopback: true, deadlineMs: 1000 })
  afterEach(() => hostile.reset())
  after(async () => {
    await egress.close()
    await hostile.close()
  })

  const world: World = {
    hostile,
    egress,
    pass: (milliseconds) => {
      now += milliseconds
    },
    time: () => Math.floor(now / 1000),
    context: () => ({
      egress,
      clock,
      log: createLog('silent'),
      connectionId: `connection-${++connections}`,
    }),
    settings(more = {}) {
      const { issuer, clientId, clientSecret } = hostile
      const settings = {
        issuer,
        clientId,
        clientSecret,
        clientAuth: 'client_secret_basic',
        ...more,
      }
      return JSON.parse(JSON.stringify(settings)) as Json
    },
    connect: (more, context = world.context()) =>
      openProvider('oidc', world.settings(more), context),
    async signIn(provider = world.connect(), to = {}) {
      const { redirect, remember } = await provider.begin({ ...destination, ...to })
      return provider.complete(hostile.visit(redirect), remember)
    },
  }
  return world
}

/** Expects a refusal with this code and reason, and none of the provider's secrets anywhere in it. */
export async function refuses(
  { hostile }: { readonly hostile: { readonly canaries: readonly string[] } },
  attempt: Promise<unknown>,
  code: ErrorCode,
  reason: string | RegExp,
): Promise<void> {
  const error = await attempt.then(
    () => assert.fail(`accepted; expected ${code}: ${reason}`),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof AppError, inspect(error))
  assert.equal(error.code, code, error.message)
  if (typeof reason === 'string') assert.equal(error.reason, reason)
  else assert.match(error.reason, reason)
  const seen = inspect(error, { depth: null, showHidden: true })
  assert.ok(
    !hostile.canaries.some((canary) => canary !== '' && seen.includes(canary)),
    'a secret is in the error',
  )
}
