import { get, type IncomingMessage } from 'node:http'
import { availableParallelism } from 'node:os'
import type { Figures } from './figures.ts'
import type { Loaded } from './load.ts'
import { startProcess, type Process } from './process.ts'
import { inRounds, type Effort, type Tell } from './rounds.ts'
import { signPeopleIn, type Stage, type Through } from './stage.ts'

/** Enough to keep one core busy; more only wait. */
const connections = 16

/**
 * `GET /verify` over HTTP beside the floor, and beside the floor saying all that `/verify` says, turn by turn, so that a
 * busy machine is unfair to none.
 */
export async function measureVerify(stage: Stage, effort: Effort, tell: Tell): Promise<Figures> {
  await using floor = await startProcess<{ port: number }>('servers/floor.ts')
  await floor.ask('know', stage.cookies)
  const headers = await headersOf(stage)
  const check = async (server: Process<{ port: number }>, seconds: number) => {
    const before = await server.usage()
    const job = { port: server.ready.port, connections, seconds, cookies: stage.cookies }
    const { count, ...loaded } = await stage.load.ask<Loaded>('check', job)
    const used = (await server.usage()).cpuMs - before.cpuMs
    return { ...loaded, rate: count / loaded.seconds, cpu: (used * 1000) / count }
  }
  // Awaited here, because the floor ends where this function does.
  return await inRounds(effort, async (seconds, round) => {
    tell(`floor, ${round}`)
    await floor.ask('say', [])
    const least = await check(floor, seconds)
    tell(`floor with the same headers, ${round}`)
    await floor.ask('say', headers)
    const alike = await check(floor, seconds)
    tell(`GET /verify, ${round}`)
    const ours = await check(stage.sallyport, seconds)
    return {
      'floor.rate': least.rate,
      'floor.p50': least.p50Ms,
      'floor.p99': least.p99Ms,
      'floor.cpu': least.cpu,
      'alike.rate': alike.rate,
      'alike.cpu': alike.cpu,
      'verify.rate': ours.rate,
      'verify.p50': ours.p50Ms,
      'verify.p99': ours.p99Ms,
      'verify.cpu': ours.cpu,
      'verify.ratio': ours.rate / least.rate,
      'verify.alike': ours.rate / alike.rate,
    }
  })
}

/** What every answer of Node's server has, whoever writes it. */
const nodesOwn = ['date', 'connection', 'keep-alive']

/** The headers of an answer to `/verify`, names and values in turn. */
async function headersOf({ sallyport, cookies }: Stage): Promise<string[]> {
  const url = `http://127.0.0.1:${sallyport.ready.port}/verify`
  const headers = { cookie: cookies[0]!, host: `localhost:${sallyport.ready.port}` }
  const { rawHeaders } = await new Promise<IncomingMessage>((resolve, reject) =>
    get(url, { headers }, (response) => resolve(response.resume())).once('error', reject),
  )
  return rawHeaders.filter((_, i) => !nodesOwn.includes(rawHeaders[i - (i % 2)]!.toLowerCase()))
}

/** `authenticate()` called in the server's own process, beside a loop that only hashes and looks up. */
export async function measureAuthenticate(
  { sallyport, cookies }: Stage,
  effort: Effort,
  tell: Tell,
): Promise<Figures> {
  const call = async (job: 'floor' | 'warm' | 'cold', seconds: number) => {
    const before = await sallyport.usage()
    const loop = { cookies, seconds, atOnce: connections }
    const calls = await sallyport.ask<number>(job, loop)
    const used = (await sallyport.usage()).cpuMs - before.cpuMs
    return { rate: calls / seconds, cpu: (used * 1000) / calls }
  }
  return inRounds(effort, async (seconds, round) => {
    tell(`authenticate(), ${round}`)
    const floor = await call('floor', seconds)
    const warm = await call('warm', seconds)
    const cold = await call('cold', seconds)
    return {
      'authenticate.floor': floor.rate,
      'authenticate.warm': warm.rate,
      'authenticate.cpu': warm.cpu,
      'authenticate.ratio': warm.cpu / floor.cpu,
      'authenticate.cold': cold.rate,
      'authenticate.cold-cpu': cold.cpu,
    }
  })
}

/** Whole sign-ins through the OIDC flow, over HTTP, each in a new browser. */
export async function measureSignIn(stage: Stage, effort: Effort, tell: Tell): Promise<Figures> {
  return inRounds(effort, async (seconds, round) => {
    tell(`sign-ins, ${round}`)
    const { rate, own, p50Ms, p99Ms, cpu, provider } = await signIns(stage, stage.provider, {
      seconds,
    })
    return {
      'sign-in.rate': own,
      'sign-in.together': rate,
      'sign-in.p50': p50Ms,
      'sign-in.p99': p99Ms,
      'sign-in.cpu': cpu,
      'sign-in.provider': provider,
    }
  })
}

/** The same through SAML: one request more, and a signed response to judge. */
export async function measureSaml(stage: Stage, effort: Effort, tell: Tell): Promise<Figures> {
  await using saml = await startProcess<{ port: number; settings: object }>('servers/saml.ts')
  const connectionId = await stage.sallyport.ask<string>('connectSaml', saml.ready.settings)
  return await inRounds(effort, async (seconds, round) => {
    tell(`sign-ins through SAML, ${round}`)
    const through = { connectionId, saml: saml.ready.port }
    const { rate, own, p50Ms, p99Ms, cpu, provider } = await signIns(stage, saml, {
      seconds,
      through,
    })
    return {
      'saml.rate': own,
      'saml.together': rate,
      'saml.p50': p50Ms,
      'saml.p99': p99Ms,
      'saml.cpu': cpu,
      'saml.provider': provider,
    }
  })
}

async function signIns(
  stage: Stage,
  provider: Pick<Process<unknown>, 'usage'>,
  { seconds, through }: { seconds: number; through?: Through },
) {
  const before = [await stage.sallyport.usage(), await provider.usage()] as const
  const { count, p50Ms, p99Ms, ...loaded } = await signPeopleIn(stage, seconds, through)
  const after = [await stage.sallyport.usage(), await provider.usage()] as const
  const rate = count / loaded.seconds
  const providerMs = (after[1].cpuMs - before[1].cpuMs) / count
  // All cores are at work all the time, so what the provider takes of them nobody else has.
  const cores = availableParallelism() * 1000
  return {
    rate,
    own: cores / (cores / rate - providerMs),
    p50Ms,
    p99Ms,
    cpu: (after[0].cpuMs - before[0].cpuMs) / count,
    provider: providerMs,
  }
}
