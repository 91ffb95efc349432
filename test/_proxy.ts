import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { identityHeaders } from '../src/api/verify.ts'
import { createHttpServer, listen, stopServer } from '../src/http/server.ts'
import { startTestApp, type TestApp } from './_app.ts'
import { Browser } from './_browser.ts'
import { sendRaw } from './_raw.ts'
import { sendOverHttp } from './_send.ts'

/** Where the parties of a proxied application are, as `host:port`, and what the proxy proves itself with. */
export interface Places {
  /** A folder for the proxy's own files. */
  readonly folder: string
  readonly port: number
  readonly sallyport: string
  readonly application: string
  readonly secret: string
}

/** A reverse proxy program, and how it is started with the configuration that ships. */
export interface ProxyProgram {
  readonly name: string
  /** A line that installs it. */
  readonly install: string
  /** A command that succeeds where it is installed. */
  readonly probe: readonly [command: string, ...args: string[]]
  command(places: Places): Promise<{
    readonly command: string
    readonly args: readonly string[]
    readonly env?: Record<string, string>
  }>
}

/** What the application behind the proxy saw. */
interface Seen {
  readonly method: string
  readonly url: string
  /** Names and values in turn, as they came. */
  readonly raw: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A proxy, an application behind it that tells what it saw, and a Sallyport. */
export interface Proxied {
  readonly app: TestApp
  readonly port: number
  readonly browser: () => Browser
  /** Stops Sallyport's server alone. */
  readonly stopSallyport: () => Promise<void>
}

const secret = 'the-shared-secret-of-a-proxy-in-tests'
const forged = 'forged-by-the-client'

/** Why a program's tests are skipped: a sentence with the line that installs it, or false when it is there. */
export function whyMissing({
  name,
  install,
  probe: [command, ...args],
}: ProxyProgram): string | false {
  const missing = spawnSync(command, args).status !== 0
  return missing && `${name} is not installed here; install it with: ${install}`
}

/** What every proxy configuration that ships must do, against the real program. */
export function describeProxy(program: ProxyProgram): void {
  const skip = whyMissing(program)
  describe(program.name, { skip }, () => {
    let proxied: Proxied & { stop(): Promise<void> }
    before(async () => (proxied = await start(program)))
    after(() => proxied?.stop())
    common(() => proxied)
  })
}

function common(proxied: () => Proxied): void {
  async function signedIn(subject = 'alice'): Promise<Browser> {
    const browser = proxied().browser()
    const answer = await proxied().app.signIn(browser, subject, { returnTo: '/reports?page=2' })
    assert.equal(answer.status, 303, await answer.text())
    return browser
  }
  const seenBy = async (answer: Response): Promise<Seen> => {
    assert.equal(answer.status, 200, await answer.clone().text())
    return (await answer.json()) as Seen
  }

  test('a stranger is led to the sign-in page, through it, and back to where they were going', async () => {
    const { app, browser: open } = proxied()
    const browser = open()
    const led = await browser.get('/reports?page=2&sort=a%20b')
    assert.equal(led.status, 303)
    const login = new URL(led.headers.get('location')!)
    assert.equal(login.origin, app.origin)
    const page = await browser.get(login.pathname + login.search)
    assert.equal(page.status, 200)
    assert.match(await page.text(), /Acme SSO/)
    const returnTo = login.searchParams.get('return_to')!
    const welcome = await app.signIn(browser, 'alice', { returnTo })
    assert.equal(welcome.status, 303)
    const back = new URL(welcome.headers.get('location')!, app.origin)
    assert.equal(back.pathname + back.search, '/reports?page=2&sort=a%20b')
    const seen = await seenBy(await browser.get(back.pathname + back.search))
    assert.equal(seen.url, '/reports?page=2&sort=a%20b')
    assert.equal(seen.headers['x-auth-name'], 'alice')
  })

  test('the application sees who is asking', async () => {
    const { headers } = await seenBy(await (await signedIn('zoë')).get('/'))
    assert.match(headers['x-auth-user']!, /^[0-9a-f-]{36}$/)
    assert.match(headers['x-auth-session']!, /^[0-9a-f-]{36}$/)
    assert.equal(headers['x-auth-name'], "UTF-8''zo%C3%AB")
    assert.equal(headers['x-auth-organization'], 'acme')
    assert.equal(headers['x-auth-role'], 'member')
  })

  test('Sallyport’s own pages are Sallyport’s', async () => {
    const browser = await signedIn()
    assert.equal((await browser.get('/account')).status, 200)
    const me = (await (await browser.api('/me')).json()) as { user: { name: string } }
    assert.equal(me.user.name, 'alice')
    const style = /href="(\/assets\/[^"]+)"/.exec(
      await (await browser.get('/login?other=1&switch=1')).text(),
    )
    assert.equal((await browser.get(style![1]!)).status, 200)
    assert.equal((await browser.post('/logout')).status, 303)
    assert.equal((await browser.get('/')).status, 303)
  })

  test('FWD-10 a program without a session gets 401 and no redirect', async () => {
    const browser = proxied().browser()
    const api = await browser.api('/reports')
    const form = await browser.post('/reports', { a: 'b' })
    for (const answer of [api, form]) {
      assert.equal(answer.status, 401)
      assert.equal(answer.headers.get('location'), null)
    }
  })

  test('the body of a POST arrives, and its method', async () => {
    const body = 'x'.repeat(100_000)
    const answer = await (await signedIn()).post('/reports', { text: body })
    const seen = await seenBy(answer)
    assert.equal(seen.method, 'POST')
    assert.equal(seen.body, `text=${body}`)
  })

  const spellings = Object.keys(identityHeaders).flatMap((name) => [
    name,
    name.toUpperCase(),
    name.replaceAll('-', '_'),
    name.replace('-', '_'),
    name.replace(/-(?=[^-]*$)/, '_'),
  ])
  const others = [
    'Remote-User',
    'X-Remote-User',
    'X-Forwarded-User',
    'X-Auth-Groups',
    'X-Sallyport-Proxy',
  ]

  test('FWD-02 what a client says of itself never reaches the application, in any spelling', async () => {
    const browser = await signedIn()
    for (const name of [...spellings, ...others]) {
      const lines = [`${name}: ${forged}`, `${name}: ${forged}-again`, `${name}:\t ${forged} \t`]
      const { raw } = await ask(proxied().port, { browser, lines })
      assert.doesNotMatch(JSON.stringify(raw), new RegExp(forged), name)
    }
  })

  test('FWD-02 all spellings at once do not either, and the true ones arrive', async () => {
    const lines = [...spellings, ...others].map((name) => `${name}: ${forged}`)
    const { raw, headers } = await ask(proxied().port, { browser: await signedIn(), lines })
    assert.doesNotMatch(JSON.stringify(raw), new RegExp(forged))
    assert.equal(headers['x-auth-name'], 'alice')
  })

  test('FWD-02 a value that Sallyport leaves empty is not filled by the client', async () => {
    proxied().app.provider.people.set('nomail', { claims: { name: 'No Mail' } })
    const browser = await signedIn('nomail')
    const { headers } = await ask(proxied().port, { browser, lines: [`X-Auth-Email: ${forged}`] })
    assert.equal(headers['x-auth-email'] ?? '', '')
  })

  test('FWD-02 identity headers cannot be stripped by naming them hop-by-hop', async () => {
    const names = [
      ...Object.keys(identityHeaders),
      'x-sallyport-proxy',
      'x-forwarded-uri',
      'cookie',
    ]
    const lines = [`Connection: close, ${names.join(', ')}`]
    const { headers } = await ask(proxied().port, { browser: await signedIn(), lines })
    assert.equal(headers['x-auth-name'], 'alice')
    assert.equal(headers['x-auth-role'], 'member')
  })

  test('FWD-02 identity headers cannot come as trailers', async () => {
    const { headers, raw } = await ask(proxied().port, {
      browser: await signedIn(),
      method: 'POST',
      lines: ['Transfer-Encoding: chunked', 'Trailer: X-Auth-User'],
      body: `5\r\nhello\r\n0\r\nX-Auth-User: ${forged}\r\n\r\n`,
    })
    assert.doesNotMatch(JSON.stringify(raw), new RegExp(forged))
    assert.match(headers['x-auth-user']!, /^[0-9a-f-]{36}$/)
  })

  test('FWD-01 what a client claims about the request or the proxy is replaced', async () => {
    const lines = [
      'X-Forwarded-Uri: //evil.example/',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Method: DELETE',
      'X-Forwarded-Proto: gopher',
      'X-Sallyport-Proxy: wrong',
      'Forwarded: host=evil.example',
    ]
    const browser = await signedIn()
    assert.equal((await ask(proxied().port, { browser, lines })).headers['x-auth-name'], 'alice')
    const stranger = await raw(proxied().port, {
      lines: [...lines, 'Accept: text/html', 'Sec-Fetch-Mode: navigate'],
    })
    assert.equal(stranger.status, 303)
    assert.doesNotMatch(stranger.headers.get('location')!, /evil/)
  })

  test('the proxy’s secret reaches Sallyport and nobody else', async () => {
    const { raw } = await ask(proxied().port, { browser: await signedIn() })
    assert.doesNotMatch(JSON.stringify(raw), new RegExp(secret))
    assert.match(proxied().app.logged(), /./)
    assert.doesNotMatch(proxied().app.logged(), new RegExp(secret))
  })

  for (const path of [
    '/a//b',
    '/login/../admin',
    '/a/%2e%2e/b',
    '/a%2fb',
    '/a;b',
    '/account/..;/admin',
  ]) {
    test(`the ambiguous path ${path} never reaches the application`, async () => {
      const answer = await raw(proxied().port, { browser: await signedIn(), path })
      assert.ok([400, 403, 404].includes(answer.status), `${answer.status}`)
    })
  }

  test('a database that is away is 503, and the session goes on afterwards', async () => {
    const browser = await signedIn()
    const { app } = proxied()
    app.line.cut()
    try {
      const answer = await browser.get('/')
      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('retry-after'), '5')
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      assert.deepEqual(answer.headers.getSetCookie(), [])
    } finally {
      app.line.mend()
    }
    assert.equal((await seenBy(await browser.get('/'))).headers['x-auth-name'], 'alice')
  })

  // The last: nothing answers afterwards.
  test('a Sallyport that is away lets nobody in', async () => {
    const browser = await signedIn()
    await proxied().stopSallyport()
    assert.ok((await browser.get('/')).status >= 500)
  })
}

interface RawRequest {
  readonly browser?: Browser
  readonly method?: string
  readonly path?: string
  readonly lines?: readonly string[]
  readonly body?: string
}

/** Sends header lines exactly as they are. */
function raw(
  port: number,
  { browser, method = 'GET', path = '/', lines = [], body = '' }: RawRequest,
): ReturnType<typeof sendRaw> {
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: localhost:${port}`,
    ...(browser ? [`Cookie: ${browser.cookieHeader()}`] : []),
    ...(lines.some((line) => line.startsWith('Connection')) ? [] : ['Connection: close']),
    ...lines,
  ]
  return sendRaw(port, `${head.join('\r\n')}\r\n\r\n${body}`)
}

/** As {@link raw}, and what the application saw of it. */
async function ask(port: number, request: RawRequest): Promise<Seen> {
  const answer = await raw(port, request)
  assert.equal(answer.status, 200, answer.text.slice(0, 400))
  return JSON.parse(
    answer.body.slice(answer.body.indexOf('{'), answer.body.lastIndexOf('}') + 1),
  ) as Seen
}

async function start(program: ProxyProgram): Promise<Proxied & { stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-proxy-'))
  const application = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    const { method, url, headers, rawHeaders, rawTrailers } = request
    const answer = JSON.stringify({
      method,
      url,
      headers,
      raw: [...rawHeaders, ...rawTrailers],
      body,
    })
    response.setHeader('content-length', Buffer.byteLength(answer))
    response.end(answer)
  })
  const applicationPort = await listen(application, { host: '127.0.0.1', port: 0 })
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const app = await startTestApp({
    env: {
      SALLYPORT_URL: origin,
      SALLYPORT_PROXIES: '127.0.0.1',
      SALLYPORT_PROXY_SECRET: secret,
    },
  })
  const server = createHttpServer(app.sallyport.fetch)
  const sallyportPort = await listen(server, { host: '127.0.0.1', port: 0 })

  const places = {
    folder,
    port,
    sallyport: `127.0.0.1:${sallyportPort}`,
    application: `127.0.0.1:${applicationPort}`,
    secret,
  }
  let running: Running | undefined
  async function stop(): Promise<void> {
    await running?.stop()
    await stopServer(server, 0)
    await stopServer(application, 0)
    await app.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    running = await run({ ...(await program.command(places)), folder, port })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    app,
    port,
    browser: () => new Browser(origin, sendOverHttp),
    stopSallyport: () => stopServer(server, 0),
    stop,
  }
}

/** A program that has been started and listens. */
export interface Running {
  /** What it has written so far. */
  said(): string
  stop(): Promise<void>
}

/**
 * Starts a program in a folder and waits until it listens on a port.
 * @throws Error with what it wrote, when it ends before that
 */
export async function run({
  command,
  args,
  env = {},
  folder,
  port,
}: Awaited<ReturnType<ProxyProgram['command']>> & {
  readonly folder: string
  readonly port: number
}): Promise<Running> {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  let written = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (written += String(chunk)))
  await untilListening(port, () => {
    if (child.exitCode !== null) throw new Error(`${command} did not start:\n${written}`)
  })
  return {
    said: () => written,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** A port that nothing listens on now. @param wanted fails when this one is taken. @default any */
export async function freePort(wanted = 0): Promise<number> {
  const server = createTcpServer().listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until something listens. @param check called between attempts; may throw */
export async function untilListening(port: number, check: () => void = () => {}): Promise<void> {
  for (;;) {
    check()
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
