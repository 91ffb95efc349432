import { AppError } from '../lib/errors.ts'
import type { Checked, Drafted, ProviderKind, Published } from './kind.ts'
import { oauth2 } from './oauth2.ts'
import { oidc } from './oidc.ts'
import type { Provider, ProviderContext } from './provider.ts'
import { saml } from './saml/saml.ts'
import { makeReadable, type ReadableSetting } from './readable.ts'

export type { Drafted, ProviderKind } from './kind.ts'

export type ProviderKindName = 'oidc' | 'oauth2' | 'saml'

/** Every kind of provider there is. */
export const providerKinds: Readonly<Record<ProviderKindName, ProviderKind<unknown>>> = {
  oidc,
  oauth2,
  saml,
}

/**
 * Opens a connection's provider from its stored settings.
 * @throws AppError `internal_error` when they cannot be read: they were checked when they were saved
 */
export function openProvider(kind: string, settings: unknown, context: ProviderContext): Provider {
  const row = findKind(kind)
  const config = row?.config.safeParse(settings)
  if (!row || !config?.success) {
    throw new AppError('internal_error', { reason: 'connection_settings', cause: config?.error })
  }
  return row.open(config.data, context)
}

/**
 * Checks settings before they are saved: their form, that every address may be asked, and what the provider
 * publishes about itself, which is the answer.
 * @throws AppError `config_rejected` with the member `problems`, plain sentences that begin with a setting's name
 */
export async function checkConnection(
  kind: string,
  settings: unknown,
  context: ProviderContext,
): Promise<Checked['published']> {
  const row = findKind(kind)
  if (!row) throw rejected('kind', ['kind: There is no such kind of provider.'])
  const { data, error } = row.config.safeParse(settings)
  if (error) throw rejected('settings', error.issues.map(inWords))
  const { problems, published } = await row.check(data, context).catch(cannotAsk)
  if (problems.length > 0) throw rejected('provider', problems)
  return published
}

/**
 * Makes settings whole that come of an administrator's answers; {@link checkConnection} says whether they can work.
 * @throws AppError `config_rejected` as `checkConnection` does
 */
export async function prepareSettings(
  kind: string,
  drafted: Drafted,
  context: ProviderContext,
): Promise<unknown> {
  const row = findKind(kind)
  if (!row) throw rejected('kind', ['kind: There is no such kind of provider.'])
  return row.prepare ? row.prepare(drafted, context) : drafted.settings
}

/** What is known of stored settings: undefined where they are not complete yet, as those of a new draft. */
export interface KnownSettings {
  /** Whose subjects its people are named by. */
  readonly issuer: string
  /** For people to read; secrets are only said to be there. */
  readonly readable: readonly ReadableSetting[]
}

/** {@link KnownSettings} of a connection's stored settings. */
export function knowSettings(kind: string, settings: unknown): KnownSettings | undefined {
  const row = findKind(kind)
  const config = row?.config.safeParse(settings)
  if (!row || !config?.success) return undefined
  return { issuer: row.issuerOf(config.data), readable: makeReadable(config.data) }
}

/** What we publish about ourselves for one connection's provider; undefined where its kind reads nothing of us. */
export function publishFor(
  kind: string,
  settings: unknown,
  redirectUri: string,
): Published | undefined {
  return findKind(kind)?.publish?.(settings, redirectUri)
}

/** Whether connections of a kind have keys of their own that are known to their provider. */
export function hasKeys(kind: string): boolean {
  return findKind(kind)?.publish !== undefined
}

function findKind(kind: string): ProviderKind<unknown> | undefined {
  return Object.hasOwn(providerKinds, kind) ? providerKinds[kind as ProviderKindName] : undefined
}

function rejected(reason: string, problems: readonly string[], cause?: unknown): AppError {
  return new AppError('config_rejected', { reason, cause, members: { problems } })
}

function inWords({ path, message }: { path: readonly PropertyKey[]; message: string }): string {
  return `${path.map(String).join('.') || 'settings'}: ${message}`
}

/** One sentence whatever the reason, so that saving settings says nothing about hosts and ports behind us. */
function cannotAsk(thrown: unknown): never {
  if (!(thrown instanceof AppError)) throw thrown
  const problem = 'issuer: Its discovery document cannot be read, or does not describe this issuer.'
  throw rejected(thrown.reason, [problem], thrown)
}
