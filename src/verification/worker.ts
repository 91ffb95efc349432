import { setTimeout as pause } from 'node:timers/promises'
import { isUnavailable } from '../db/open.ts'
import { seconds } from '../lib/clock.ts'
import type { Answer } from '../providers/again.ts'
import type { Provider } from '../providers/provider.ts'
import { check, type CheckServices } from './check.ts'
import { Desk, type Asked } from './desk.ts'
import { leaseDue, type Leased } from './lease.ts'
import { Tally, type Counted } from './tally.ts'
import { restsConnection } from './trouble.ts'
import { settleAnswer, type VerdictServices } from './verdict.ts'

/** What asking providers again takes. */
export interface VerificationServices extends CheckServices, VerdictServices {
  readonly tally: Tally
}

/** Leased at once in all, and of each connection; fewer than the last is not worth a statement. */
const [mostAtOnce, mostOfEach, fewest] = [128, 32, 16]

/** How long to wait where nothing is due, and where something was a moment ago, in milliseconds. */
const [idle, soon] = [seconds(1), 50]

/** For how long something was due a moment ago, in milliseconds. */
const lately = seconds(2)

/** What a round may be told. */
export interface RoundOptions {
  /** Only this connection's. @default all */
  readonly only?: string
  /** Gives back at once what nobody has been asked about yet. */
  readonly signal?: AbortSignal
  /** Told of each identity that was asked about. */
  readonly onChecked?: (verdict: Counted | 'dropped') => void
}

/**
 * Leases what is due and asks about it, all at once as far as that is allowed.
 * @returns how many were due
 */
export async function checkDue(
  services: VerificationServices,
  { only, ...options }: RoundOptions = {},
): Promise<number> {
  const desk = openDesk(services, options)
  const leased = await leaseDue(services.db, services.clock.now(), { most: mostAtOnce, only })
  desk.take(leased)
  await desk.emptied()
  await services.tally.write(services.db)
  return leased.length
}

/** Asks on and on, until it is stopped. Any number may, on one database. */
export function startVerifying(services: VerificationServices): () => Promise<void> {
  const { db, clock, tally, log } = services
  const stopping = new AbortController()
  const { signal } = stopping
  const desk = openDesk(services, { signal })
  let busyUntil = 0

  async function once(): Promise<void> {
    await desk.giveBack()
    const most = mostAtOnce - desk.size
    if (most < fewest) return desk.change(idle)
    const except = desk.waiting()
    const due = await leaseDue(db, clock.now(), { most, mostEach: mostOfEach, except })
    desk.take(due)
    if (due.length > 0) busyUntil = performance.now() + lately
    else await desk.change(performance.now() < busyUntil ? soon : idle)
  }

  async function work(): Promise<void> {
    let failing = false
    let written = 0
    while (!signal.aborted) {
      try {
        await once()
        if (performance.now() - written > idle) {
          written = performance.now()
          await tally.write(db)
        }
        failing = false
      } catch (err) {
        // A database that is away is told of once.
        log[failing ? 'debug' : 'warn']({ err }, 'nobody could be verified')
        failing = true
        await pause(idle, undefined, { signal, ref: false }).catch(() => {})
      }
    }
    await desk.emptied()
    await tally.write(db)
  }

  const working = work().catch((err) => log.warn({ err }, 'the last verdicts were not counted'))
  return async () => {
    stopping.abort()
    await working
  }
}

function openDesk(services: VerificationServices, options: Omit<RoundOptions, 'only'>): Desk {
  const opening = { ...services, provider: rememberFor(idle, services) }
  const ask = async (leased: Leased): Promise<Asked> => {
    const { verdict, rests } = await checkOne(opening, leased)
    options.onChecked?.(verdict)
    return { rests }
  }
  return new Desk(services, ask, options.signal)
}

/** Opens each connection's provider once in so many milliseconds: whoever is leased together is asked about together. */
function rememberFor(
  milliseconds: number,
  { provider }: Pick<CheckServices, 'provider'>,
): CheckServices['provider'] {
  const opened = new Map<string, { readonly until: number; readonly provider: Promise<Provider> }>()
  return (connectionId, version) => {
    const now = performance.now()
    for (const [key, { until }] of opened) if (until < now) opened.delete(key)
    const key = `${connectionId} ${version}`
    const known = opened.get(key) ?? {
      until: now + milliseconds,
      provider: provider(connectionId, version),
    }
    opened.set(key, known)
    return known.provider
  }
}

/** Asks about one identity and carries out what is answered. What fails on our side costs its lease, nothing else. */
async function checkOne(
  services: VerificationServices,
  leased: Leased,
): Promise<Asked & { readonly verdict: Counted | 'dropped' }> {
  try {
    const answer = await check(services, leased)
    if (answer === 'dropped') return dropped
    services.at?.('judged')
    const settled = await settleAnswer(services, leased, answer)
    services.at?.('settled')
    if (settled === 'dropped') return dropped
    const verdict = settled === 'held' ? 'held' : countedAs(answer)
    services.tally.add(leased.connectionId, verdict, services.clock.now())
    return { verdict, rests: restsConnection(answer) }
  } catch (err) {
    const level = isUnavailable(err) ? 'warn' : 'error'
    services.log[level]({ err, identity: leased.id }, 'an identity could not be checked')
    return dropped
  }
}

const dropped = { verdict: 'dropped', rests: false } as const

function countedAs(answer: Answer): Counted {
  return answer.answer === 'could_not_tell' ? answer.doubt : answer.answer
}
