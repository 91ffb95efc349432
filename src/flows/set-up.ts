import { recordEvent } from '../accounts/audit.ts'
import {
  createConnection,
  latestVersion,
  proposeSettings,
  readAnswersOf,
  readSettings,
  readVersion,
  saveSettings,
  type Connection,
} from '../accounts/connections.ts'
import { hasLinkedPeople } from '../accounts/linked.ts'
import { newId } from '../lib/ids.ts'
import { AppError } from '../lib/errors.ts'
import { checkConnection, knowSettings, prepareSettings } from '../providers/index.ts'
import { findPreset, readAnswers, type Preset } from '../providers/presets.ts'
import type { ProviderServices } from '../providers/provider.ts'
import type { FlowServices } from './store.ts'

/** What setting a connection up takes. */
export type SetUpServices = FlowServices & ProviderServices

/** Who sets it up: an administrator, or whoever was given a set-up link. */
export type SetUpActor = ({ readonly userId: string } | { readonly linkId: string }) & {
  readonly requestId: string
}

/** The preset a connection was made from; where it was made without one, the plain one of its kind. */
export function presetOf({
  preset,
  kind,
}: Pick<Connection, 'preset' | 'kind'>): Preset | undefined {
  return findPreset(preset ?? kind) ?? findPreset(kind)
}

/** Makes a draft without settings, so that its addresses can be registered at the provider. Answers its id. */
export function startDraft(
  { db, sealer, clock }: SetUpServices,
  drafted: {
    readonly organizationId: string
    readonly preset: string
    readonly name: string
    readonly by: { readonly userId: string; readonly requestId: string }
  },
): Promise<string> {
  const { organizationId, preset: key, name, by } = drafted
  const preset = findPreset(key)
  if (!preset) throw new AppError('invalid_request', { reason: 'unknown_preset' })
  const draft = {
    id: newId(),
    organizationId,
    kind: preset.kind,
    preset: key,
    name: readConnectionName(name) ?? preset.name,
    settings: {},
    state: 'draft',
    createdBy: by.userId,
    requestId: by.requestId,
  } as const
  return db.transaction().execute((tx) => createConnection(tx, sealer, draft, clock.now()))
}

/** A connection's name as somebody wrote it; undefined: it cannot be one. */
export function readConnectionName(given: string | undefined): string | undefined {
  const name = given?.replace(/\p{Cc}/gu, ' ').trim() ?? ''
  return name !== '' && name.length <= 100 ? name : undefined
}

/**
 * Checks what somebody answered and saves the settings that come of it. Those of a draft are in use at once, because
 * nobody uses it; those of a connection that has been switched on wait until they have been tested. Answers the version.
 * A secret that is left empty stays as it was.
 * @throws AppError `config_rejected` with the member `problems`; then nothing is saved
 */
export async function saveAnswers(
  services: SetUpServices,
  connection: Connection,
  given: Readonly<Record<string, string | undefined>>,
  by: SetUpActor,
): Promise<number> {
  const { db, sealer, clock } = services
  const preset = presetOf(connection)
  if (!preset) throw new AppError('invalid_request', { reason: 'unknown_preset' })
  const latest = await readLatest(services, connection)
  const answers = withKeptSecrets(preset, given, latest.answers ?? {})
  const context = { ...services, connectionId: connection.id }
  const organization = connection.organization.name
  const drafted = {
    settings: readAnswers(preset, answers),
    answers,
    before: latest.settings,
    organization,
  }
  const settings = await prepareSettings(connection.kind, drafted, context)
  const published = await checkConnection(connection.kind, settings, context)
  const at = clock.now()
  const savedBy = 'userId' in by ? by.userId : null
  return db.transaction().execute(async (tx) => {
    await assertSameIssuer({ ...services, db: tx }, connection, settings)
    const saved = { connectionId: connection.id, settings, savedBy, at, answers, published }
    const inUse = connection.state === 'active' || connection.state === 'disabled'
    const version = await (inUse ? proposeSettings : saveSettings)(tx, sealer, saved)
    const event = { organizationId: connection.organization.id, target: connection.id }
    const data = { version, link: 'linkId' in by ? by.linkId : undefined }
    const actor = { actorId: savedBy ?? undefined, requestId: by.requestId }
    await recordEvent(tx, { action: 'connection.saved', ...event, ...actor, data }, at)
    return version
  })
}

/** The newest settings of a connection, in use or not, and what was answered for them. */
export async function readLatest(
  { db, sealer }: Pick<SetUpServices, 'db' | 'sealer'>,
  { id, configVersion }: Connection,
): Promise<
  { readonly version: number; readonly settings: unknown } & Awaited<
    ReturnType<typeof readAnswersOf>
  >
> {
  const version = Math.max(configVersion, (await latestVersion(db, id)) ?? 0)
  const settings = await readVersion(db, sealer, id, version)
  return { version, settings, ...(await readAnswersOf(db, sealer, id, version)) }
}

function withKeptSecrets(
  { asks }: Preset,
  given: Readonly<Record<string, string | undefined>>,
  before: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    asks.map(({ name, secret }) => {
      const answer = given[name]
      return [name, secret && !answer ? before[name] : answer]
    }),
  )
}

/**
 * People are known by what one provider calls them. Under another provider the same names could be other people, so
 * the connection that knows them keeps its provider.
 */
async function assertSameIssuer(
  { db, sealer }: Pick<SetUpServices, 'db' | 'sealer'>,
  { id, kind }: Connection,
  settings: unknown,
): Promise<void> {
  const before = knowSettings(kind, await readSettings(db, sealer, id))
  const after = knowSettings(kind, settings)
  if (!before || before.issuer === after?.issuer) return
  if (!(await hasLinkedPeople(db, id))) return
  const problem = `These settings are of another provider (${after?.issuer}) than the one by which people are linked here (${before.issuer}). Make a second connection for it beside this one, move everybody, and switch this one off.`
  throw new AppError('config_rejected', {
    reason: 'issuer_changed',
    members: { problems: [problem] },
  })
}
