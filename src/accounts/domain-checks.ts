import { sql } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import { days, hours, later, minutes } from '../lib/clock.ts'
import type { TxtAnswer } from '../lib/dns.ts'
import { recordEvent, type AuditAction } from './audit.ts'
import { domainRows, lostAfter, recordText, toDomain, type Domain } from './domains.ts'

/** What looking for a domain's record has come to. */
export type Checked =
  /** It is there: the domain is the organization's. */
  | 'proven'
  /** It is there, but another organization has proven the domain before. */
  | 'taken'
  /** It is not there, and the domain is not the organization's. */
  | 'absent'
  /** It is not there any more. The domain is lost when it stays away. */
  | 'missing'
  /** It stayed away: the domain is not the organization's any more. */
  | 'lost'
  /** Nobody could be asked, which changes nothing. */
  | 'unavailable'
  /** The claim was given up meanwhile. */
  | 'gone'

/** How often a record is looked for, in milliseconds, each time a little sooner or later. */
const every: Readonly<Record<'waiting' | 'proven' | 'missing' | 'unavailable', number>> = {
  waiting: hours(1),
  proven: days(1),
  missing: hours(6),
  unavailable: hours(1),
}

/** How long a claim is kept that nobody proves, in milliseconds. */
const claimLasts = days(30)
/** How often the owners are warned while a record is missing, in milliseconds. */
const warnEvery = days(3)
/** How long whoever has taken a domain to look for has it to themselves, in milliseconds. */
const lease = minutes(5)

/** What was written down, and whether the owners are to be told. */
export interface Mark {
  readonly checked: Checked
  readonly tell: boolean
}

/**
 * Writes down what the name servers said of a domain's record. It counts for exactly the claim that was looked at, with
 * the same domain and token, and for nothing that has taken its place meanwhile.
 */
export async function markChecked(
  tx: Db,
  seen: Domain,
  answer: TxtAnswer,
  now: Date,
): Promise<Mark> {
  // Two organizations that prove one domain at once queue here: the second sees the first.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`domain ${seen.domain}`}, 0))`.execute(
    tx,
  )
  const row = await domainRows(tx).where('id', '=', seen.id).forUpdate().executeTakeFirst()
  const domain = row && toDomain(row)
  if (domain?.token !== seen.token || domain.domain !== seen.domain) return quietly('gone')
  if (answer === 'unavailable') {
    if (domain.state !== 'lost') await lookAgain(tx, domain, soon('unavailable', domain, now))
    return quietly('unavailable')
  }
  if (says(answer, recordText(domain.token))) return markProven(tx, domain, now)
  if (domain.verifiedAt) return markMissing(tx, domain, row!.warned_at, now)
  if (domain.state === 'waiting') await lookAgain(tx, domain, soon('waiting', domain, now))
  return quietly('absent')
}

function quietly(checked: Checked): Mark {
  return { checked, tell: false }
}

/** Others keep records at the same name; one of them has to be ours, whole. */
function says(answer: Exclude<TxtAnswer, 'unavailable'>, text: string): boolean {
  return answer !== 'none' && answer.some((pieces) => pieces.join('') === text)
}

async function markProven(tx: Db, domain: Domain, now: Date): Promise<Mark> {
  const { rows } = await sql`
    update domains d set verified_at = coalesce(verified_at, ${now}), last_proved_at = ${now}, missing_since = null,
      warned_at = null, check_at = ${soon('proven', domain, now)}
    where d.id = ${domain.id} and not exists (
      select from domains o where o.domain = d.domain and o.id <> d.id and o.verified_at is not null)
    returning d.id`.execute(tx)
  if (rows.length === 0) {
    await lookAgain(tx, domain, domain.state === 'lost' ? null : soon('proven', domain, now))
    return quietly('taken')
  }
  if (!domain.verifiedAt) await record(tx, 'domain.proven', domain, now)
  else if (domain.state === 'missing') await record(tx, 'domain.found', domain, now)
  return quietly('proven')
}

async function markMissing(
  tx: Db,
  domain: Domain,
  warnedAt: Date | null,
  now: Date,
): Promise<Mark> {
  if (domain.lostAt && domain.lostAt <= now) {
    await tx
      .updateTable('domains')
      .set({ verified_at: null, check_at: null, missing_since: null, warned_at: null })
      .where('id', '=', domain.id)
      .execute()
    await record(tx, 'domain.lost', domain, now)
    return { checked: 'lost', tell: true }
  }
  const warn = warnedAt === null || warnedAt <= later(now, -warnEvery)
  const lostAt = domain.lostAt ?? later(now, lostAfter)
  const next = soon('missing', domain, now)
  await tx
    .updateTable('domains')
    .set({
      missing_since: later(lostAt, -lostAfter),
      // At its very end, so that nobody has it for longer than they were told.
      check_at: next < lostAt ? next : lostAt,
      ...(warn && { warned_at: now }),
    })
    .where('id', '=', domain.id)
    .execute()
  if (domain.state === 'proven') await record(tx, 'domain.missing', domain, now)
  return { checked: 'missing', tell: warn }
}

async function lookAgain(tx: Db, { id }: Domain, at: Date | null): Promise<void> {
  await tx.updateTable('domains').set({ check_at: at }).where('id', '=', id).execute()
}

async function record(tx: Db, action: AuditAction, domain: Domain, now: Date): Promise<void> {
  const { organizationId, id, domain: name } = domain
  await recordEvent(tx, { action, organizationId, target: id, data: { domain: name } }, now)
}

/** A tenth sooner or later by the end of its id, which is random: what was claimed together is not looked for together. */
function soon(state: keyof typeof every, { id }: Domain, now: Date): Date {
  const share = Number.parseInt(id.slice(-4), 16) / 0xffff
  return later(now, every[state] * (0.9 + 0.2 * share))
}

/** Takes domains whose records are due to be looked for; nobody else does while the lease lasts. */
export async function takeDueDomains(db: Db, now: Date, most: number): Promise<readonly Domain[]> {
  const { rows } = await sql<{ id: string }>`${prepared('take_due_domains')}
    update domains set check_at = ${later(now, lease)}
    where id in (select id from domains where check_at <= ${now} order by check_at limit ${most} for update skip locked)
    returning id`.execute(db)
  if (rows.length === 0) return []
  const taken = await domainRows(db)
    .where(
      'id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute()
  return taken.map(toDomain)
}

/** Deletes claims that nobody has proven in all their time. */
export async function dropOldClaims(db: Db, now: Date): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('domains')
    .where('verified_at', 'is', null)
    .where('last_proved_at', 'is', null)
    .where('created_at', '<', later(now, -claimLasts))
    .executeTakeFirst()
  return Number(numDeletedRows)
}
