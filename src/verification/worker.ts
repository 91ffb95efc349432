import { setTimeout as pause } from 'node:timers/promises'
import { isUnavailable } from '../db/open.ts'
import { seconds } from '../lib/clock.ts'
import { check, type CheckServices } from './check.ts'
import { giveBack, leaseDue, type Leased } from './lease.ts'
import { Tally, type Counted } from './tally.ts'
import { settleAnswer, type VerdictServices } from './verdict.ts'
import type { Answer } from '../providers/again.ts'

/** What asking providers again takes. */
export interface VerificationServices extends CheckServices, VerdictServices {
  readonly tally: Tally
}

/** Checks under way at once, of all connections and of each: a provider's share of outgoing connections is left to sign-ins too. */
const [mostAtOnce, mostOfEach] = [64, 12]

/** How long to wait where nothing is due, in milliseconds. */
const idle = seconds(1)

/**
 * Leases what is due and asks about it, all at once as far as that is allowed.
 * @param signal gives back at once what nobody has been asked about yet
 * @returns how many were due
 */
export async function checkDue(
  services: VerificationServices,
  { only, signal, onChecked = () => {} }: RoundOptions = {},
): Promise<number> {
  const leased = await leaseDue(services.db, services.clock.now(), { most: mostAtOnce * 2, only })
  const lines = Map.groupBy(leased, ({ connectionId }) => connectionId)
  const left: Leased[] = []
  await Promise.all(
    [...lines.values()].flatMap((line) =>
      Array.from({ length: Math.min(mostOfEach, line.length) }, async () => {
        for (let next = line.shift(); next; next = line.shift()) {
          if (signal?.aborted) left.push(next)
          else onChecked(await checkOne(services, next))
        }
      }),
    ),
  )
  await giveBack(services.db, left, services.clock.now())
  await services.tally.write(services.db)
  return leased.length
}

/** What a round may be told. */
export interface RoundOptions {
  /** Only this connection's. @default all */
  readonly only?: string
  readonly signal?: AbortSignal
  /** Told of each identity that was asked about. */
  readonly onChecked?: (verdict: Counted | 'dropped') => void
}

/** Asks about one identity and carries out what is answered. What fails on our side costs its lease, nothing else. */
export async function checkOne(
  services: VerificationServices,
  leased: Leased,
): Promise<Counted | 'dropped'> {
  try {
    const answer = await check(services, leased)
    if (answer === 'dropped') return 'dropped'
    services.at?.('judged')
    const settled = await settleAnswer(services, leased, answer)
    services.at?.('settled')
    if (settled === 'dropped') return 'dropped'
    const counted = settled === 'held' ? 'held' : countedAs(answer)
    services.tally.add(leased.connectionId, counted, services.clock.now())
    return counted
  } catch (err) {
    const level = isUnavailable(err) ? 'warn' : 'error'
    services.log[level]({ err, identity: leased.id }, 'an identity could not be checked')
    return 'dropped'
  }
}

function countedAs(answer: Answer): Counted {
  return answer.answer === 'could_not_tell' ? answer.doubt : answer.answer
}

/** Asks on and on, until it is stopped. Any number may, on one database. */
export function startVerifying(services: VerificationServices): () => Promise<void> {
  const stopping = new AbortController()
  let failing = false
  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      let due = 0
      try {
        due = await checkDue(services, { signal: stopping.signal })
        failing = false
      } catch (err) {
        // A database that is away is told of once.
        services.log[failing ? 'debug' : 'warn']({ err }, 'nobody could be verified')
        failing = true
      }
      if (due === 0)
        await pause(idle, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
    }
  }
  const working = work()
  return async () => {
    stopping.abort()
    await working
  }
}
