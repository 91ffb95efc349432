import type { Loaded, SignIns } from './load.ts'
import { startProcess, type Process } from './process.ts'
import type { Effort } from './rounds.ts'

/** The processes that most measurements need, and sessions to ask with. */
export interface Stage extends AsyncDisposable {
  readonly sallyport: Process<Ready>
  readonly provider: Process<{ issuer: string; clientId: string }>
  readonly load: Process<null>
  /** Cookies of people who are signed in. */
  readonly cookies: readonly string[]
}

interface Ready {
  readonly port: number
  readonly origin: string
  readonly connectionId: string
  readonly postgres: string
}

/** Sign-ins under way at once: fewer than one connection's share of outgoing requests. */
const signInsAtOnce = 8

/** Starts the server, the provider and the load, and signs some people in, which also warms them up. */
export async function setStage({ seconds }: Effort): Promise<Stage> {
  const stack = new AsyncDisposableStack()
  try {
    const provider = stack.use(
      await startProcess<Stage['provider']['ready']>('servers/provider.ts'),
    )
    const { issuer, clientId } = provider.ready
    const sallyport = stack.use(
      await startProcess<Ready>('servers/sallyport.ts', [issuer, clientId]),
    )
    const load = stack.use(await startProcess<null>('load.ts'))
    const { cookies } = await signPeopleIn({ sallyport, load }, Math.max(1, seconds))
    return { sallyport, provider, load, cookies, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Another connection to sign in through. */
export type Through = Pick<SignIns, 'connectionId' | 'saml'>

/** Whole sign-ins, over HTTP, each in a new browser. @param through by OpenID Connect, unless it says otherwise */
export function signPeopleIn(
  { sallyport, load }: Pick<Stage, 'sallyport' | 'load'>,
  seconds: number,
  through: Through = { connectionId: sallyport.ready.connectionId },
) {
  const { port, origin } = sallyport.ready
  const job: SignIns = { port, origin, ...through, connections: signInsAtOnce, seconds }
  return load.ask<Loaded & { cookies: string[] }>('signIn', job)
}
