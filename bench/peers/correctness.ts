import { setTimeout as pause } from 'node:timers/promises'
import { startProcess, type Process } from '../process.ts'
import type { Tell } from '../rounds.ts'
import type { MemberOptions } from '../coherence/member.ts'
import type { Mailed } from '../../test/sessions/_mailed.ts'
import type { Apache } from './apache.ts'
import { races, stale, type RaceId, type StaleId, type Trial } from './list.ts'
import type { PeerStage } from './stage.ts'

/** What came of a trial. */
export interface Tried extends Trial {
  readonly id: StaleId | RaceId
  readonly tries: number
  /** How many sessions still answered, or answered again, after they had been ended. */
  readonly accepted: number
  /** How long one went on answering, in milliseconds, where that was measured. */
  readonly lastsMs?: number
}

type Run = (tries: number) => Promise<{ accepted: number; lastsMs?: number }>

/** How long a cache is waited for, in milliseconds; it is set to five seconds. */
const patience = 15_000

/** Ends sessions in every way of the table, so many times each. */
export async function tryAll(stage: PeerStage, tries: number, tell: Tell): Promise<Tried[]> {
  const runs: Partial<Record<StaleId | RaceId, Run>> = await prepare(stage)
  const trials = Object.entries<Trial>({ ...stale, ...races }) as [StaleId | RaceId, Trial][]
  const tried: Tried[] = []
  for (const [id, trial] of trials) {
    const run = runs[id]
    if (!run) continue
    tell(`${trial.what}, ${tries} times`)
    const { accepted, lastsMs } = await run(tries)
    tried.push({
      id,
      ...trial,
      tries,
      accepted,
      ...(lastsMs !== undefined && { lastsMs: Math.round(lastsMs / 100) * 100 }),
    })
  }
  return tried
}

async function prepare(stage: PeerStage): Promise<Partial<Record<StaleId | RaceId, Run>>> {
  const { redis, apache } = stage
  const counting =
    (server: { ask<T>(job: string, argument: unknown): Promise<T> }, job: string): Run =>
    async (tries) => ({ accepted: await server.ask<number>(job, tries) })
  const betterAuth = async (name: string, options: object) =>
    stage.serve('better-auth.js', { database: await stage.database(name), ...options })
  const cached = await betterAuth('better_auth_short', { cookieCacheSeconds: 5 })
  const expressPg = await stage.serve('express-session.js', {
    database: await stage.database('express_tried'),
    resave: false,
  })
  const ours = await stage.database('sallyport_nodes')
  const runs: Partial<Record<StaleId | RaceId, Run>> = {
    'stale.sallyport': (tries) => withMembers(ours, (members) => tryStale(members, tries)),
    'race.sallyport': (tries) => withMembers(ours, (members) => tryRace(members, tries)),
    'stale.better-auth.pg': counting(await betterAuth('better_auth_plain', {}), 'stale'),
    'stale.better-auth.cookie': async (tries) => ({
      accepted: await cached.ask<number>('stale', tries),
      lastsMs: await cached.ask<number>('lasts', patience),
    }),
    'stale.express-pg': counting(expressPg, 'stale'),
    'race.express-pg.write': counting(expressPg, 'raceWriting'),
    'stale.iron': counting(await stage.serve('iron-session.js', {}), 'stale'),
  }
  if (apache) runs['stale.apache'] = (tries) => tryApache(apache, tries)
  if (!redis) return runs
  const redisPort = redis.port
  const [sparing, saving] = [
    await stage.serve('express-session.js', { redisPort, resave: false }),
    await stage.serve('express-session.js', { redisPort, resave: true }),
  ]
  return {
    ...runs,
    'stale.express-redis': counting(sparing, 'stale'),
    'race.express-redis.touch': counting(sparing, 'race'),
    'race.express-redis.write': counting(sparing, 'raceWriting'),
    'race.express-redis.resave': counting(saving, 'race'),
    'race.better-auth.redis': counting(
      await betterAuth('better_auth_sliding', { redisPort, updateAge: 0 }),
      'race',
    ),
  }
}

type Member = Process<null>

/** Two nodes of ours; the second's line to the database can be slow. */
async function withMembers<T>(
  database: MemberOptions['database'],
  work: (members: readonly [Member, Member]) => Promise<T>,
): Promise<T> {
  const start = (options: MemberOptions) =>
    startProcess<null>('coherence/member.ts', [JSON.stringify(options)])
  await using one = await start({ database })
  await using other = await start({ database, cuttable: true })
  return await work([one, other])
}

async function untilLeased(members: readonly Member[]): Promise<void> {
  for (const member of members) while (!(await member.ask<boolean>('leased'))) await pause(10)
}

async function tryStale([one, other]: readonly [Member, Member], tries: number) {
  let accepted = 0
  for (const session of await one.ask<Mailed[]>('make', tries)) {
    await untilLeased([one, other])
    await other.ask('warm', [session.token])
    await one.ask('revoke', session)
    if (await other.ask<boolean>('accepts', session.token)) accepted++
  }
  return { accepted }
}

/** A sliding write leaves one node, and arrives long after another has ended the session. */
async function tryRace([one, other]: readonly [Member, Member], tries: number) {
  let accepted = 0
  for (const session of await one.ask<Mailed[]>('make', tries)) {
    await untilLeased([one, other])
    await other.ask('warm', [session.token])
    await other.ask('pass', 61_000)
    await other.ask('slow', 250)
    const sliding = other.ask<boolean>('accepts', session.token)
    await one.ask('revoke', session)
    await sliding
    await other.ask('mend')
    for (const node of [one, other])
      if (await node.ask<boolean>('accepts', session.token)) accepted++
  }
  return { accepted }
}

async function tryApache(apache: Apache, tries: number) {
  const accepts = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(`http://127.0.0.1:${apache.port}/index.txt`, { headers })).ok
  }
  const issueAndRevoke = async (seconds: number) => {
    const token = apache.issue(seconds)
    if (!(await accepts(token))) throw new Error('A good token was refused.')
    apache.revoke(token)
    return token
  }
  let accepted = 0
  for (let i = 0; i < tries; i++) if (await accepts(await issueAndRevoke(3600))) accepted++
  const token = await issueAndRevoke(5)
  const began = performance.now()
  while ((await accepts(token)) && performance.now() - began < patience) await pause(50)
  return { accepted, lastsMs: performance.now() - began }
}
