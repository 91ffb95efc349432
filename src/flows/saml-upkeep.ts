import { z } from 'zod'
import { recordEvent } from '../accounts/audit.ts'
import { findConnection, readSettings, type Connection } from '../accounts/connections.ts'
import { administratorsAddresses } from '../accounts/owners.ts'
import {
  enrolSamlConnections,
  readUpkeep,
  saveUpkeep,
  takeDueConnections,
  type SamlUpkeep,
} from '../accounts/saml-upkeep.ts'
import { postEvent } from '../accounts/webhooks.ts'
import type { Db } from '../db/open.ts'
import { useOnce } from '../db/used-once.ts'
import { days, hours, later, type Clock } from '../lib/clock.ts'
import type { Egress } from '../lib/egress.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Sealer } from '../lib/seal.ts'
import type { MailData, MailName } from '../mails/index.ts'
import type { Outbox } from '../mails/outbox.ts'
import { readCertificate, type Certificate } from '../providers/saml/certificate.ts'
import { fetchMetadata } from '../providers/saml/fetch-metadata.ts'
import { describeKeys, keysIn } from '../providers/saml/keys.ts'
import type { PublishedIdp, ReadMetadata } from '../providers/saml/metadata.ts'
import { overlap, type Overlap, type Published } from '../providers/saml/overlap.ts'
import { amendConnection, type Actor, type Revoking } from '../sessions/revoke.ts'
import { stepSamlKeys } from './saml-keys.ts'

/** What looking after SAML connections takes. */
export interface SamlUpkeepServices extends Revoking {
  readonly sealer: Sealer
  readonly egress: Egress
  readonly clock: Clock
  readonly log: Log
  readonly origin: string
  readonly sendMail: Outbox
}

/** As many connections are looked after at once. */
const atOnce = 5

/** Looks after every SAML connection that is due: its key, its provider's metadata, and the ends of certificates. */
export async function keepSamlUp(
  services: SamlUpkeepServices,
  now: Date,
  signal?: AbortSignal,
): Promise<number> {
  await enrolSamlConnections(services.db, now)
  let done = 0
  while (!signal?.aborted) {
    const due = await takeDueConnections(services.db, now, atOnce)
    if (due.length === 0) break
    const ended = await Promise.allSettled(due.map((id) => lookAfter(services, id, now)))
    // One that fails is due again when its lease is over; the others do not wait for it.
    for (const one of ended)
      if (one.status === 'rejected')
        services.log.error({ err: one.reason }, 'a SAML connection could not be looked after')
    done += due.length
  }
  return done
}

/** What upkeep has to know of settings; a draft's may have no more than keys. */
const known = z.looseObject({
  metadataUrl: z.string().optional(),
  idp: z
    .looseObject({
      entityId: z.string(),
      ssoUrl: z.string().optional(),
      ssoBinding: z.string().optional(),
      sloUrl: z.string().optional(),
      sloResponseUrl: z.string().optional(),
      certificates: z.array(z.string()),
    })
    .optional(),
})

type Known = z.infer<typeof known>

/** Looks after one SAML connection now, whenever it is due. */
export async function lookAfter(
  services: SamlUpkeepServices,
  connectionId: string,
  now: Date,
): Promise<void> {
  const connection = await findConnection(services.db, connectionId)
  if (!connection) {
    await saveUpkeep(services.db, connectionId, { checkAt: later(now, days(1)) }, now)
    return
  }
  const settings = await readSettings(services.db, services.sealer, connectionId)
  if (!keysIn(settings).some(({ state }) => state === 'current'))
    await stepSamlKeys(services, connection, 'prepare', {}, now)
  const { metadataUrl, idp } = known.safeParse(settings).data ?? {}
  const next =
    metadataUrl && idp ? await readAgain(services, connection, { metadataUrl, idp }, now) : days(1)
  if (connection.state === 'active') await warn(services, connection, now)
  await saveUpkeep(
    services.db,
    connectionId,
    { checkAt: later(now, next * spread(connectionId)) },
    now,
  )
}

/** A tenth sooner or later by the end of an id, which is random: not all are asked in the same minute. */
function spread(id: string): number {
  return 0.9 + (0.2 * Number.parseInt(id.slice(-4), 16)) / 0xffff
}

/** Reads the metadata again and takes what may be taken. Answers after how long to look again, in milliseconds. */
async function readAgain(
  services: SamlUpkeepServices,
  connection: Connection,
  { metadataUrl, idp }: { metadataUrl: string; idp: NonNullable<Known['idp']> },
  now: Date,
): Promise<number> {
  const accepted = certificatesIn(idp)
  // Where there is no SAML, what reads XML is not needed.
  const { readMetadata } = await import('../providers/saml/metadata.ts')
  const read = await ask(services, connection, metadataUrl, (bytes) =>
    readMetadata(bytes, {
      now,
      entityId: idp.entityId,
      trusted: accepted.map(({ publicKey }) => publicKey),
    }),
  )
  if (!read?.idp) {
    const problem = read
      ? { sentence: read.problems.join(' '), tell: true }
      : { sentence: 'Its metadata cannot be fetched.', tell: false }
    await services.db.transaction().execute((tx) => refuse(tx, services, connection, problem, now))
    return hours(1)
  }
  await bringIn(services, connection, { published: read.idp, signed: read.signed }, now)
  return Math.min(days(1), Math.max(hours(1), read.cacheFor ?? days(1)))
}

/** What was made of the document; undefined where there was none to be had. */
async function ask(
  { egress, clock, log }: SamlUpkeepServices,
  { id: connectionId }: Connection,
  url: string,
  read: (bytes: Uint8Array) => ReadMetadata,
): Promise<ReadMetadata | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await fetchMetadata(url, { egress, clock, log, connectionId })
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    log.info({ connectionId, reason: thrown.reason }, 'metadata could not be fetched')
    return undefined
  }
  return read(bytes)
}

/** Notes what keeps the metadata from being taken; the first time it is told. */
async function refuse(
  tx: Db,
  services: SamlUpkeepServices,
  connection: Connection,
  { sentence, tell }: { sentence: string; tell: boolean },
  now: Date,
): Promise<void> {
  const { problem } = await readUpkeep(tx, connection.id, { hold: true })
  await saveUpkeep(tx, connection.id, { problem: sentence }, now)
  if (problem !== null) return
  const data = { why: tell ? 'content' : 'fetch' }
  await record(tx, 'saml.metadata_refused', connection, { outcome: 'deny', data }, now)
  if (tell)
    await tellAdministrators(tx, services, connection, 'metadata_refused', { problem: sentence })
}

/** Certificates of the provider that are accepted in these settings. */
function certificatesIn({
  certificates,
}: {
  certificates: readonly string[]
}): readonly Certificate[] {
  return certificates.flatMap((text) => readCertificate(text) ?? [])
}

/** Holds what is published now against what is accepted, and carries out what follows. */
async function bringIn(
  services: SamlUpkeepServices,
  connection: Connection,
  { published, signed }: { readonly published: PublishedIdp; readonly signed: boolean },
  now: Date,
): Promise<void> {
  const { entityId, certificates: publishes, ...addresses } = published
  let plan: Overlap | undefined
  let moves: 'stays' | 'moved' | 'would_move' = 'stays'
  let upkeep: SamlUpkeep | undefined
  const judge = async (tx: Db): Promise<void> => {
    upkeep = await readUpkeep(tx, connection.id, { hold: true })
  }
  const change = (settings: unknown): unknown => {
    const { idp } = known.safeParse(settings).data ?? {}
    if (idp?.entityId !== entityId) return settings
    const accepted = certificatesIn(idp).map(({ base64 }) => base64)
    const trusted = signed || upkeep!.follow
    // The settings in use come first; what is decided for them holds for every version with the same provider.
    if (!plan && hasMoved(idp, addresses)) moves = trusted ? 'moved' : 'would_move'
    plan ??= overlap({ accepted, publishes, before: upkeep!.published, trusted }, now)
    const { take, drop } = plan
    const kept = idp.certificates.filter((text) => {
      const base64 = readCertificate(text)?.base64
      return base64 === undefined || !drop.includes(base64)
    })
    const added = take.filter((one) => !accepted.includes(one))
    const without = { sloUrl: undefined, sloResponseUrl: undefined }
    const at = moves === 'moved' ? { ...idp, ...without, ...addresses } : idp
    return { ...(settings as object), idp: { ...at, certificates: [...kept, ...added] } }
  }
  await amendConnection(services, connection.id, change, {
    before: judge,
    after: async (tx) => {
      if (!plan) return
      const stays = moves !== 'would_move'
      const seen = { readAt: now, published: plan.published, ...(stays && { problem: null }) }
      await saveUpkeep(tx, connection.id, seen, now)
      const by = signed ? 'signature' : 'address'
      await tellOf(tx, services, connection, { plan, by }, now)
      if (moves === 'moved')
        await record(tx, 'saml.address_taken', connection, { data: { by } }, now)
      const problem = { sentence: movedTo(addresses.ssoUrl), tell: true }
      if (!stays) await refuse(tx, services, connection, problem, now)
    },
  })
}

/** Whether the provider publishes another address to sign in at, or to sign out at, than is used. */
function hasMoved(
  used: NonNullable<Known['idp']>,
  { ssoUrl, ssoBinding, sloUrl }: Omit<PublishedIdp, 'entityId' | 'certificates'>,
): boolean {
  const signsOutElsewhere = used.sloUrl !== undefined && used.sloUrl !== sloUrl
  const signsInElsewhere = used.ssoUrl !== ssoUrl || (used.ssoBinding ?? 'redirect') !== ssoBinding
  return signsInElsewhere || signsOutElsewhere
}

function movedTo(ssoUrl: string): string {
  return `It has other addresses than are used here; people would sign in at ${ssoUrl}. Read it again in the connection’s settings, and test them.`
}

async function tellOf(
  tx: Db,
  services: SamlUpkeepServices,
  connection: Connection,
  { plan: { take, drop, waiting }, by }: { plan: Overlap; by: string },
  now: Date,
): Promise<void> {
  for (const one of take)
    await record(tx, 'saml.certificate_taken', connection, { data: { ...printOf(one), by } }, now)
  for (const one of drop)
    await record(tx, 'saml.certificate_dropped', connection, { data: printOf(one) }, now)
  for (const one of waiting) {
    const { fingerprint, notAfter } = readCertificate(one)!
    const first = await useOnce(tx, {
      kind: 'certificate-waiting',
      scope: connection.id,
      id: fingerprint,
      until: later(now, days(365)),
    })
    if (!first) continue
    await record(tx, 'saml.certificate_waiting', connection, { data: printOf(one) }, now)
    const about = { fingerprint, endsAt: notAfter.toISOString() }
    await tellAdministrators(tx, services, connection, 'certificate_waiting', about)
  }
}

function printOf(base64: string): { fingerprint: string } {
  return { fingerprint: readCertificate(base64)!.fingerprint }
}

/** How many days before a certificate's end it is told of. */
const warnings = [1, 7, 30]

/** A certificate that will have run out. */
export interface Ending {
  readonly whose: 'provider' | 'ours'
  readonly fingerprint: string
  readonly notAfter: Date
}

/** Tells of certificates that run out soon, each time once. One that has a successor already needs no telling. */
async function warn(
  services: SamlUpkeepServices,
  connection: Connection,
  now: Date,
): Promise<void> {
  const settings = await readSettings(services.db, services.sealer, connection.id)
  for (const ending of endingIn(settings, now)) {
    const left = (ending.notAfter.getTime() - now.getTime()) / days(1)
    const due = warnings.filter((warning) => left <= warning)
    if (due.length === 0) continue
    await services.db
      .transaction()
      .execute((tx) => warnOnce(tx, services, connection, { ...ending, due }, now))
  }
}

async function warnOnce(
  tx: Db,
  services: SamlUpkeepServices,
  connection: Connection,
  { whose, fingerprint, notAfter, due }: Ending & { due: readonly number[] },
  now: Date,
): Promise<void> {
  const once = {
    kind: 'certificate-expiring',
    scope: connection.id,
    until: later(notAfter, days(2)),
  }
  const [soonest] = due
  let first = false
  for (const warning of due) {
    const isFirst = await useOnce(tx, { ...once, id: `${fingerprint} ${warning}` })
    if (warning === soonest) first = isFirst
  }
  if (!first) return
  const endsAt = notAfter.toISOString()
  const data = { fingerprint, whose, endsAt, days: soonest! }
  await record(tx, 'saml.certificate_expiring', connection, { data }, now)
  const about = { whose, endsAt, days: soonest! }
  const posted = { connection: connection.id, name: connection.name, fingerprint, ...about }
  const { id: organizationId } = connection.organization
  await postEvent(tx, organizationId, { event: 'certificate.expiring', data: posted }, now)
  await tellAdministrators(tx, services, connection, 'certificate_expiring', about)
}

/** Of a connection's certificates, on each side, the one that is the last to run out. */
export function endingIn(settings: unknown, now: Date): readonly Ending[] {
  const { idp } = known.safeParse(settings).data ?? {}
  const theirs = idp ? certificatesIn(idp) : []
  const keys = describeKeys(settings).filter(({ state }) => state !== 'retired')
  return [...last(theirs, 'provider', now), ...last(keys, 'ours', now)]
}

/** Of certificates side by side only the last to run out matters, as long as there is any. */
function last(
  certificates: readonly Pick<Certificate, 'fingerprint' | 'notAfter'>[],
  whose: Ending['whose'],
  now: Date,
): readonly Ending[] {
  const [latest] = certificates
    .filter(({ notAfter }) => notAfter > now)
    .sort((a, b) => b.notAfter.getTime() - a.notAfter.getTime())
  return latest ? [{ whose, fingerprint: latest.fingerprint, notAfter: latest.notAfter }] : []
}

/** As many certificates of a provider's are accepted at a time. */
const mostAccepted = 10

/**
 * Accepts a certificate that waits, on an administrator's word.
 * @param fingerprint of the certificate they have looked at
 * @throws AppError `not_found` when none with that fingerprint is published, `config_rejected` when there are ten already
 */
export async function agreeToCertificate(
  services: SamlUpkeepServices,
  connection: Connection,
  fingerprint: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  let agreed: Published | undefined
  let upkeep: SamlUpkeep | undefined
  const change = ofOneProvider((texts, inUse) => {
    if (texts.some((text) => readCertificate(text)?.fingerprint === fingerprint)) return texts
    if (texts.length < mostAccepted) return [...texts, agreed!.certificate]
    if (inUse) throw rejected('Ten certificates are accepted already. Take one away first.')
    return texts
  })
  await amendConnection(services, connection.id, change, {
    before: async (tx) => {
      upkeep = await readUpkeep(tx, connection.id, { hold: true })
      agreed = upkeep.published.find(
        ({ certificate, goneAt }) =>
          goneAt === null && readCertificate(certificate)?.fingerprint === fingerprint,
      )
      if (!agreed) throw new AppError('not_found', { reason: 'no_such_certificate' })
    },
    after: async (tx, changed) => {
      const published = upkeep!.published.map((one) =>
        one === agreed ? { ...one, takenAt: one.takenAt ?? now.toISOString() } : one,
      )
      await saveUpkeep(tx, connection.id, { published }, now)
      const data = { fingerprint, by: 'administrator' }
      if (changed) await record(tx, 'saml.certificate_taken', connection, { actor, data }, now)
    },
  })
}

/**
 * Accepts a certificate no more, on an administrator's word. It is not taken again by itself.
 * @throws AppError `not_found` when it is not accepted, `config_rejected` when it is the only one
 */
export async function refuseCertificate(
  services: SamlUpkeepServices,
  connection: Connection,
  fingerprint: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  const isIt = (text: string): boolean => readCertificate(text)?.fingerprint === fingerprint
  const change = ofOneProvider((texts, inUse) => {
    const left = texts.filter((text) => !isIt(text))
    if (left.length > 0) return left
    if (inUse) throw rejected('It is the only certificate: without it nobody can sign in.')
    return texts
  })
  await amendConnection(services, connection.id, change, {
    after: async (tx, changed) => {
      if (!changed) throw new AppError('not_found', { reason: 'no_such_certificate' })
      const { published } = await readUpkeep(tx, connection.id, { hold: true })
      // Whoever has not seen it published yet must not take it for new.
      const remembered = published.map((one) =>
        isIt(one.certificate) ? { ...one, takenAt: one.takenAt ?? now.toISOString() } : one,
      )
      await saveUpkeep(tx, connection.id, { published: remembered }, now)
      const data = { fingerprint, by: 'administrator' }
      await record(tx, 'saml.certificate_dropped', connection, { actor, data }, now)
    },
  })
}

/** Changes the certificates of the settings in use, which come first, and of every other version for the same provider. */
function ofOneProvider(
  edit: (certificates: readonly string[], inUse: boolean) => readonly string[],
): (settings: unknown) => unknown {
  let entityId: string | undefined
  return (settings) => {
    const { idp } = known.safeParse(settings).data ?? {}
    if (!idp) return settings
    const inUse = entityId === undefined
    entityId ??= idp.entityId
    if (idp.entityId !== entityId) return settings
    return {
      ...(settings as object),
      idp: { ...idp, certificates: edit(idp.certificates, inUse) },
    }
  }
}

function rejected(problem: string): AppError {
  return new AppError('config_rejected', {
    reason: 'certificates',
    members: { problems: [`certificates: ${problem}`] },
  })
}

/** Sets whether new certificates in the metadata are taken without asking. */
export async function followMetadata(
  { db }: Pick<SamlUpkeepServices, 'db'>,
  connection: Connection,
  follow: boolean,
  actor: Actor,
  now: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await saveUpkeep(tx, connection.id, { follow, checkAt: now }, now)
    await record(tx, 'saml.follow_changed', connection, { actor, data: { follow } }, now)
  })
}

async function record(
  tx: Db,
  action: Parameters<typeof recordEvent>[1]['action'],
  { id, organization }: Connection,
  {
    actor,
    ...event
  }: Pick<Parameters<typeof recordEvent>[1], 'data' | 'outcome'> & { actor?: Actor },
  now: Date,
): Promise<void> {
  const by = { actorId: actor?.userId, requestId: actor?.requestId }
  await recordEvent(
    tx,
    { action, organizationId: organization.id, target: id, ...by, ...event },
    now,
  )
}

/** Mails about one connection, apart from what is the same in all of them. */
type About<Name extends MailName> = Omit<
  MailData<Name>,
  'origin' | 'organization' | 'slug' | 'connectionId' | 'connection'
>

async function tellAdministrators<
  Name extends 'certificate_expiring' | 'certificate_waiting' | 'metadata_refused',
>(
  tx: Db,
  { origin, sendMail }: SamlUpkeepServices,
  { id, name, organization }: Connection,
  mail: Name,
  about: About<Name>,
): Promise<void> {
  const data = {
    origin,
    organization: organization.name,
    slug: organization.slug,
    connectionId: id,
    connection: name,
    ...about,
  } as unknown as MailData<Name>
  for (const to of await administratorsAddresses(tx, organization.id))
    await sendMail(tx, mail, to, data)
}
