import type { Loaded, Questions } from '../load.ts'
import type { Effort, Tell } from '../rounds.ts'
import { rows, type PeerId, type Row, type RowId } from './list.ts'
import type { PeerStage, Server } from './stage.ts'

/** How often a second, in one round. */
type Measure = (seconds: number) => Promise<{ rate: number; p50?: number; p99?: number }>

/** One row of the table. Rates are so many a second; ratios are to the floor of the same round. */
export interface PeerFigure extends Row {
  readonly id: RowId
  readonly rate: number
  readonly ratio: number
  /** The least and the greatest ratio of all rounds. */
  readonly spread: readonly [number, number]
  /** Half and 99 of 100 requests are answered within so many milliseconds; over HTTP only. */
  readonly p50?: number
  readonly p99?: number
}

/** Requests and calls under way at once: the same for all. */
const atOnce = 16
/** Sessions to ask for in turn: the same for all. */
export const sessions = 16

/** Starts the peers, and answers how each row is measured and which versions they are. */
export async function preparePeers(
  stage: PeerStage,
  tell: Tell,
): Promise<{
  measures: ReadonlyMap<RowId, Measure>
  versions: Partial<Record<PeerId, string>>
}> {
  const { ours, floor, redis, apache } = stage
  const measures = new Map<RowId, Measure>()
  const versions: Partial<Record<PeerId, string>> = {}
  const cookies = ours.cookies.slice(0, sessions)

  const over = async (question: Omit<Questions, 'connections' | 'seconds'>, seconds: number) => {
    const job: Questions = { ...question, connections: atOnce, seconds }
    const { count, p50Ms, p99Ms, seconds: took } = await ours.load.ask<Loaded>('ask', job)
    return { rate: count / took, p50: p50Ms, p99: p99Ms }
  }
  const get = (port: number, path: string, headers: readonly string[], begins: string, says = '') =>
    ({
      port,
      requests: headers.map(
        (header) => `GET ${path} HTTP/1.1\r\nhost: localhost:${port}\r\n${header}\r\n\r\n`,
      ),
      begins: `HTTP/1.1 ${begins}`,
      says,
    }) satisfies Partial<Questions>
  const asCookies = (some: readonly string[]) => some.map((cookie) => `cookie: ${cookie}`)
  const within =
    (server: Pick<Server, 'ask'>, job: string, some: () => Promise<readonly string[]>): Measure =>
    async (seconds) => {
      const loop = { cookies: await some(), seconds, atOnce }
      return { rate: (await server.ask<number>(job, loop)) / seconds }
    }

  const plain = get(floor.ready.port, '/', asCookies(cookies), '204')
  measures.set('http.floor', (seconds) => over(plain, seconds))
  const verify = get(ours.sallyport.ready.port, '/verify', asCookies(cookies), '204')
  measures.set('http.sallyport.warm', (seconds) => over(verify, seconds))
  measures.set('http.sallyport.cold', async (seconds) => {
    await ours.sallyport.ask('forget', true)
    try {
      return await over(verify, seconds)
    } finally {
      await ours.sallyport.ask('forget', false)
    }
  })
  for (const [id, job] of [
    ['process.floor', 'floor'],
    ['process.sallyport.warm', 'warm'],
    ['process.sallyport.cold', 'cold'],
  ] as const)
    measures.set(
      id,
      within(ours.sallyport, job, async () => cookies),
    )

  if (apache) {
    versions.apache = apache.version
    const tokens = Array.from({ length: sessions }, () => apache.issue(36_000))
    const headers = tokens.map((token) => `authorization: Bearer ${token}`)
    const question = get(apache.port, '/index.txt', headers, '200')
    measures.set('http.apache', (seconds) => over(question, seconds))
  }

  tell('starting oidc-provider')
  const provider = await stage.serve('oidc-provider.js', {})
  versions['oidc-provider'] = provider.ready.version
  const introspections = await provider.ask<string[]>('open', sessions)
  const { port } = provider.ready
  const active = {
    port,
    requests: introspections,
    begins: 'HTTP/1.1 200',
    says: '"active":true',
  }
  measures.set('http.oidc-provider', (seconds) => over(active, seconds))

  const simple = async (id: RowId, peer: PeerId, file: string, options: object) => {
    tell(`starting ${rows[id].what}`)
    const server = await stage.serve(file, options)
    versions[peer] = server.ready.version
    const question = get(
      server.ready.port,
      '/',
      asCookies(await server.ask<string[]>('open', sessions)),
      '204',
    )
    measures.set(id, (seconds) => over(question, seconds))
  }
  const database = await stage.database('express')
  await simple('http.express-pg', 'express-pg', 'express-session.js', { database, resave: false })
  if (redis)
    await simple('http.express-redis', 'express-redis', 'express-session.js', {
      redisPort: redis.port,
      resave: false,
    })
  await simple('http.iron', 'iron', 'iron-session.js', {})

  for (const [kind, options] of Object.entries({
    pg: {},
    cookie: { cookieCacheSeconds: 300 },
    ...(redis && { redis: { redisPort: redis.port } }),
  }) as ['pg' | 'cookie' | 'redis', object][]) {
    tell(`starting better-auth, ${kind}`)
    const place = await stage.database(`better_auth_${kind}`)
    const server = await stage.serve('better-auth.js', { database: place, ...options })
    versions['better-auth'] = server.ready.version
    const opened = await server.ask<string[]>('open', sessions)
    const current = async () =>
      kind === 'cookie' ? await server.ask<string[]>('renew', opened) : opened
    measures.set(`http.better-auth.${kind}`, async (seconds) => {
      const headers = asCookies(await current())
      const question = get(
        server.ready.port,
        '/api/auth/get-session',
        headers,
        '200',
        '"session":{',
      )
      return over(question, seconds)
    })
    measures.set(`process.better-auth.${kind}`, within(server, 'call', current))
  }
  return { measures, versions }
}

/** Measures every row in turn, round after round, after a shorter one that is thrown away. */
export async function measurePeers(
  measures: ReadonlyMap<RowId, Measure>,
  { seconds, rounds }: Effort,
  tell: Tell,
): Promise<PeerFigure[]> {
  const ids = (Object.keys(rows) as RowId[]).filter((id) => measures.has(id))
  const found = new Map(ids.map((id) => [id, [] as Awaited<ReturnType<Measure>>[]]))
  for (let round = 0; round <= rounds; round++) {
    for (const id of ids) {
      const { what, how }: Row = rows[id]
      tell(`${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}: ${what}, ${how}`)
      const one = await measures.get(id)!(round === 0 ? seconds / 2 : seconds)
      if (round > 0) found.get(id)!.push(one)
    }
  }
  return ids.map((id) => {
    const mine = found.get(id)!
    const floor = found.get(rows[id].how === 'over HTTP' ? 'http.floor' : 'process.floor')!
    const ratios = mine.map(({ rate }, round) => rate / floor[round]!.rate)
    const [p50, p99] = [mine[0]!.p50, mine[0]!.p99].map((first, which) =>
      first === undefined
        ? undefined
        : rounded(median(mine.map((one) => (which === 0 ? one.p50! : one.p99!)))),
    )
    return {
      id,
      ...rows[id],
      rate: rounded(median(mine.map(({ rate }) => rate))),
      ratio: rounded(median(ratios)),
      spread: [rounded(Math.min(...ratios)), rounded(Math.max(...ratios))],
      ...(p50 !== undefined && { p50 }),
      ...(p99 !== undefined && { p99 }),
    }
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** To three digits: what a run can tell. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
