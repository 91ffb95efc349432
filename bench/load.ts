import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { text } from 'node:stream/consumers'
import { work } from './process.ts'

/** A load: as many requests as fit in the time, each connection asking when it has its answer. */
export interface Load {
  readonly port: number
  readonly connections: number
  readonly seconds: number
}

/** What came of a load. Every answer was the right one: anything else is an error. */
export interface Loaded {
  readonly count: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Where to sign in. */
export interface SignIns extends Load {
  readonly origin: string
  readonly connectionId: string
  /** Where the SAML provider is; without one it is by OpenID Connect. */
  readonly saml?: number
}

/** What to send on a connection, each in turn, and how to know the right answer. */
export interface Questions extends Load {
  /** Whole requests, as they go over the wire. */
  readonly requests: readonly string[]
  /** What the answer begins with, such as `HTTP/1.1 204`. */
  readonly begins: string
  /** What is somewhere in it. */
  readonly says?: string
}

/** Asks `/verify` with these cookies in turn. */
function check({ cookies, ...load }: Load & { cookies: string[] }): Promise<Loaded> {
  const requests = cookies.map(
    (cookie) => `GET /verify HTTP/1.1\r\nhost: localhost:${load.port}\r\ncookie: ${cookie}\r\n\r\n`,
  )
  return ask({ ...load, requests, begins: 'HTTP/1.1 204' })
}

/** Asks anything. Bytes are made beforehand, so that the asking side costs little. */
async function ask({ requests, begins, says = '', ...load }: Questions): Promise<Loaded> {
  const bytes = requests.map((request) => Buffer.from(request, 'latin1'))
  let next = 0
  return repeat(load, () => {
    const socket = connect(load.port, '127.0.0.1').setNoDelay().setEncoding('latin1')
    return {
      async once() {
        const answer = await exchange(socket, bytes[next++ % bytes.length]!)
        if (!answer.startsWith(begins) || !answer.includes(says))
          throw new Error(`The answer was not “${begins} … ${says}”: ${answer.slice(0, 500)}`)
      },
      end: () => socket.destroy(),
    }
  })
}

function exchange(socket: ReturnType<typeof connect>, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const over = () => reject(new Error(`The connection ended after “${answer}”.`))
    const read = (chunk: string) => {
      answer += chunk
      if (!isWhole(answer)) return
      socket.off('data', read).off('close', over)
      resolve(answer)
    }
    socket.on('data', read).once('close', over)
    socket.once('error', reject)
    socket.write(bytes, () => socket.off('error', reject))
  })
}

/** Whether an answer has come to its end (RFC 9112 §6.3). */
function isWhole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n')
  if (head < 0) return false
  if (answer.startsWith('204', 9)) return true
  const length = /^content-length: (\d+)/im.exec(answer)?.[1]
  return length === undefined
    ? answer.endsWith('\r\n0\r\n\r\n')
    : answer.length >= head + 4 + Number(length)
}

const agent = new Agent({ keepAlive: true })

/** Signs people in, each in a new browser: start, then callback, until the session's cookie is there. */
async function signIn(load: SignIns): Promise<Loaded & { cookies: string[] }> {
  const cookies: string[] = []
  const way = load.saml ? signInBySaml : signInByOidc
  let people = 0
  const loaded = await repeat(load, () => {
    // Each connection has its own person, because two sign-ins of one person wait for each other.
    const sub = `person-${people++}`
    return {
      once: async () => void cookies.push(await way(load, sub)),
      end: () => {},
    }
  })
  return { ...loaded, cookies: cookies.slice(-200) }
}

async function signInByOidc(load: SignIns, sub: string): Promise<string> {
  const { to, browser } = await leave(load)
  const { state, nonce } = Object.fromEntries(to.searchParams)
  const code = Buffer.from(JSON.stringify({ sub, nonce })).toString('base64url')
  return comeBack(load, `/sso/${load.connectionId}/callback?code=${code}&state=${state}`, browser)
}

async function signInBySaml(load: SignIns, sub: string): Promise<string> {
  const { port, origin, connectionId, saml } = load
  const { to, browser } = await leave(load)
  const { SAMLRequest = '', RelayState = '' } = Object.fromEntries(to.searchParams)
  const base = `${origin}/sso/${connectionId}`
  const asked = new URLSearchParams({ request: SAMLRequest, sub, base })
  const { body: SAMLResponse } = await send({ port: saml, path: `/?${asked}` })
  const { answer } = await send(
    {
      port,
      method: 'POST',
      path: `/sso/${connectionId}/acs`,
      headers: {
        origin: 'https://idp.example',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'content-type': 'application/x-www-form-urlencoded',
      },
    },
    String(new URLSearchParams({ SAMLResponse, RelayState })),
  )
  if (answer.statusCode !== 303) throw new Error(`The post ended with ${answer.statusCode}.`)
  return comeBack(load, answer.headers.location!, browser)
}

/** As far as the way to the provider. */
async function leave({
  port,
  origin,
  connectionId,
}: SignIns): Promise<{ to: URL; browser: string }> {
  const ours = { origin, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' }
  const { answer: left } = await send(
    {
      port,
      method: 'POST',
      path: `/sso/${connectionId}/start`,
      headers: { ...ours, 'content-type': 'application/x-www-form-urlencoded' },
    },
    'return_to=/account',
  )
  const to = new URL(/url=(.*)$/.exec(String(left.headers['refresh']))?.[1] ?? 'about:blank')
  return { to, browser: cookiesOf(left) }
}

async function comeBack({ port }: SignIns, path: string, browser: string): Promise<string> {
  const { answer: back } = await send({
    port,
    path,
    headers: { cookie: browser, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
  })
  if (back.statusCode !== 303) throw new Error(`The sign-in ended with ${back.statusCode}.`)
  return cookiesOf(back)
}

async function send(
  options: RequestOptions,
  body = '',
): Promise<{ answer: IncomingMessage; body: string }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', agent, ...options }, resolve)
      .on('error', reject)
      .end(body)
  })
  return { answer, body: await text(answer) }
}

function cookiesOf({ headers }: IncomingMessage): string {
  return (headers['set-cookie'] ?? []).map((line) => line.split(';', 1)[0]).join('; ')
}

/** One connection of a load. */
interface Asking {
  once(): Promise<void>
  end(): void
}

async function repeat({ connections, seconds }: Load, open: () => Asking): Promise<Loaded> {
  const times = createHistogram()
  const began = performance.now()
  const end = began + seconds * 1000
  await Promise.all(Array.from({ length: connections }, () => untilEnd(open(), end, times)))
  return {
    count: times.count,
    seconds: (performance.now() - began) / 1000,
    p50Ms: times.percentile(50) / 1e6,
    p99Ms: times.percentile(99) / 1e6,
  }
}

async function untilEnd(asking: Asking, end: number, times: RecordableHistogram): Promise<void> {
  try {
    for (let now = performance.now(); now < end;) {
      await asking.once()
      const then = now
      now = performance.now()
      times.record(Math.max(1, Math.round((now - then) * 1e6)))
    }
  } finally {
    asking.end()
  }
}

work(null, { check, ask, signIn }, () => agent.destroy())
