import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import type { TestConnection } from '../../test/_database.ts'
import { startProcess, type Process } from '../process.ts'
import type { Tell } from '../rounds.ts'
import type { Mailed } from '../../test/sessions/_mailed.ts'
import type { MemberOptions } from './member.ts'

/** What is wrong while sessions are revoked. */
interface Trouble {
  readonly what: string
  /** The most that half, 99 of 100 and the worst of the revocations may take, in milliseconds. */
  readonly most: { readonly p50?: number; readonly p99?: number; readonly max?: number }
  /** How many revocations, of so many asked for. */
  readonly rounds: (asked: number) => number
  readonly members: readonly Omit<MemberOptions, 'database'>[]
}

const plain = {}

/** Every case, by name. A cut line costs two seconds each time, and a lost nudge a quarter, so there are fewer. */
export const troubles = {
  none: {
    what: 'three nodes with warm memories',
    most: { p50: 5, p99: 50 },
    rounds: (asked: number) => asked,
    members: [plain, plain, plain],
  },
  cut: {
    what: 'one of them cut off from the database just before',
    most: { max: 2500 },
    rounds: (asked: number) => Math.min(10, Math.ceil(asked / 50)),
    members: [plain, plain, { cuttable: true }],
  },
  deaf: {
    what: 'every nudge lost',
    most: { max: 2500 },
    rounds: (asked: number) => Math.min(100, Math.ceil(asked / 10)),
    members: [{ deaf: true }, { deaf: true }, { deaf: true }],
  },
} as const satisfies Readonly<Record<string, Trouble>>

export type TroubleId = keyof typeof troubles

/** What came of one case. */
export interface Revoked {
  readonly id: TroubleId
  readonly what: string
  readonly most: Trouble['most']
  readonly revocations: number
  /** Requests that came after `revoke()` had returned and were let in. */
  readonly staleAccepts: number
  /** The part of the sessions that nodes answered for from memory just before. */
  readonly warm: number
  /** In milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** How many revocations took up to so many milliseconds, and longer than the one before. */
  readonly histogram: readonly (readonly [upTo: number, count: number])[]
  /** The load average when it was over. */
  readonly busy: number
}

type Member = Process<null>

/** Revokes in every case, one session after the other, on three nodes in three processes and one PostgreSQL. */
export async function measureCoherence(
  asked: number,
  tell: Tell,
): Promise<{ postgres: string; cases: Revoked[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-coherence-'))
  // Durable, as in earnest: a commit waits for the disk.
  const server = await startEmbeddedPostgres(join(folder, 'postgres'))
  try {
    const cases: Revoked[] = []
    let postgres = ''
    for (const [id, trouble] of Object.entries(troubles) as [TroubleId, Trouble][]) {
      await using members = await startMembers(server.connection, trouble)
      postgres = await members.first.ask<string>('postgres')
      cases.push(await revokeMany(members.all, id, trouble.rounds(asked), tell))
    }
    return { postgres, cases }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function startMembers(database: TestConnection, { members }: Trouble) {
  const stack = new AsyncDisposableStack()
  const all: Member[] = []
  try {
    for (const options of members) {
      const told = JSON.stringify({ ...options, database } satisfies MemberOptions)
      all.push(stack.use(await startProcess<null>('coherence/member.ts', [told])))
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
  return { all, first: all[0]!, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** How many sessions are read into memory together. */
const batch = 200

async function revokeMany(
  members: readonly Member[],
  id: TroubleId,
  rounds: number,
  tell: Tell,
): Promise<Revoked> {
  const { what, most } = troubles[id]
  const cut = id === 'cut' ? members[2] : undefined
  const size = cut ? 1 : batch
  const sessions = await members[0]!.ask<Mailed[]>('make', rounds)
  const took: number[] = []
  let [warm, stale] = [0, 0]
  for (let from = 0; from < rounds; from += size) {
    tell(`${what}: ${from.toLocaleString('en')} of ${rounds.toLocaleString('en')}`)
    const some = sessions.slice(from, from + size)
    await untilLeased(members)
    for (const known of await askAll<number>(
      members,
      'warm',
      some.map(({ token }) => token),
    ))
      warm += known
    for (const [i, session] of some.entries()) {
      // Whoever revokes is not the one whose line is cut.
      const revoker = members[cut ? 0 : i % members.length]!
      await cut?.ask('cut')
      took.push(await revoker.ask<number>('revoke', session))
      const accepted = await askAll<boolean>(members, 'accepts', session.token)
      stale += accepted.filter(Boolean).length
      await cut?.ask('mend')
    }
  }
  took.sort((a, b) => a - b)
  const [busy = 0] = loadavg()
  return {
    id,
    what,
    most,
    revocations: took.length,
    staleAccepts: stale,
    warm: warm / (rounds * members.length),
    p50: rounded(took[Math.floor((took.length - 1) * 0.5)]!),
    p99: rounded(took[Math.floor((took.length - 1) * 0.99)]!),
    max: rounded(took.at(-1)!),
    histogram: histogramOf(took),
    busy: Number(busy.toFixed(1)),
  }
}

function askAll<T>(members: readonly Member[], job: string, argument?: unknown): Promise<T[]> {
  return Promise.all(members.map((member) => member.ask<T>(job, argument)))
}

async function untilLeased(members: readonly Member[]): Promise<void> {
  while (!(await askAll<boolean>(members, 'leased')).every(Boolean)) await pause(10)
}

/** Where the bars of the histogram end, in milliseconds: two for each doubling, from one to four thousand. */
const edges = Array.from({ length: 25 }, (_, i) => Number((2 ** (i / 2)).toPrecision(3)))

/** Counts by the edges; whatever is longer than the last goes there. */
export function histogramOf(sorted: readonly number[]): [number, number][] {
  const counts = new Map(edges.map((edge) => [edge, 0]))
  for (const one of sorted) {
    const edge = edges.find((upTo) => one <= upTo) ?? edges.at(-1)!
    counts.set(edge, counts.get(edge)! + 1)
  }
  return [...counts]
}

function rounded(milliseconds: number): number {
  return Number(milliseconds.toPrecision(3))
}
