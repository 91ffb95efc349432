import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { identityHeaders } from '../src/api/verify.ts'
import { Browser, refreshOf } from './_browser.ts'
import { createTestDatabase, type TestConnection } from './_database.ts'
import { freePort, run, untilListening, whyMissing } from './_proxy.ts'
import { caddy, nginx } from './_proxy-programs.ts'
import { sendOverHttp } from './_send.ts'

const examples = join(import.meta.dirname, '../examples')

for (const name of ['node', 'express', 'fastify', 'hono']) {
  test(`the example ${name}.ts greets Alice`, async (t) => {
    const { port } = await startExample(t, `${name}.ts`)
    assert.equal(await greetingFor(`http://localhost:${port}`, port), 'Hello, Alice Archer')
  })
}

for (const program of [nginx, caddy]) {
  describe(`the example behind ${program.name}`, { skip: whyMissing(program) }, () => {
    test(`the example proxied.ts greets Alice through ${program.name}`, async (t) => {
      const [front, back] = [await freePort(), await freePort()]
      const origin = `http://localhost:${front}`
      const secret = 'a-secret-between-a-proxy-and-sallyport'
      const { port, folder } = await startExample(t, 'proxied.ts', {
        SALLYPORT_URL: origin,
        SALLYPORT_PROXY_SECRET: secret,
        APPLICATION_PORT: String(back),
      })
      const [sallyport, application] = [`127.0.0.1:${port}`, `127.0.0.1:${back}`]
      const command = await program.command({ folder, port: front, sallyport, application, secret })
      await untilListening(back)
      const proxy = await run({ ...command, folder, port: front })
      t.after(() => proxy.stop())
      assert.equal(await greetingFor(origin, port), 'Hello, Alice Archer')
    })
  })
}

test('S3-44 every example is short, and the README says how to run it', async () => {
  const readme = await readFile(join(examples, 'README.md'), 'utf8')
  const files = (await readdir(examples)).filter((file) => file.endsWith('.ts'))
  assert.ok(files.length >= 5)
  for (const file of files) {
    const lines = (await readFile(join(examples, file), 'utf8')).split('\n')
    assert.ok(lines.length <= 40, `${file} has ${lines.length} lines`)
    assert.ok(readme.includes(`node examples/${file}`), file)
  }
})

async function startExample(
  t: TestContext,
  file: string,
  env: Record<string, string> = {},
): Promise<{ port: number; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-example-'))
  const database = await createTestDatabase()
  const port = await freePair()
  const example = await run({
    command: process.execPath,
    args: [join(examples, file)],
    env: {
      ...env,
      PORT: String(port),
      SALLYPORT_DATA: folder,
      DATABASE_URL: urlOf(database.connection),
    },
    folder,
    port,
  })
  t.after(async () => {
    await example.stop()
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })
  return { port, folder }
}

function urlOf({ host, port, user, database }: TestConnection): string {
  return `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}

/** A free port whose successor is free too: the development provider takes it. */
async function freePair(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const next = await freePort(port + 1).catch(() => undefined)
    if (next) return port
  }
}

test('SEED-52 SEED-56 S3-28b the cart of cart.ts survives registering and signing in', async (t) => {
  const { port } = await startExample(t, 'cart.ts')
  const origin = `http://localhost:${port}`
  const cartOf = async (browser: Browser) =>
    /(\d+) apples/.exec(await (await browser.get('/')).text())?.[1]
  const me = async (browser: Browser) =>
    (await (await browser.api('/me')).json()) as Record<'user' | 'guest', { id: string } | null>
  const guestWith = async (apples: number) => {
    const browser = new Browser(origin, sendOverHttp)
    assert.equal((await browser.post('/guest', { return_to: '/' })).headers.get('location'), '/')
    for (let i = 0; i < apples; i++) await browser.post('/')
    assert.equal(await cartOf(browser), String(apples))
    return browser
  }

  // Erin has no account: the guest becomes Erin, and the cart is where it was.
  const newcomer = await guestWith(2)
  const { guest } = await me(newcomer)
  const form = await newcomer.get(await signInAs('erin', newcomer, port))
  assert.match(await form.clone().text(), /Take <bdi>2 apples<\/bdi> with me/)
  const state = /name="state" value="([\w-]+)"/.exec(await form.text())![1]!
  const registered = await newcomer.post('/register', { state, name: 'Erin', keep: 'yes' })
  assert.equal(registered.headers.get('location'), '/')
  assert.deepEqual([(await me(newcomer)).user!.id, await cartOf(newcomer)], [guest!.id, '2'])

  // Alice has one: her yes moves the cart, in the transaction of the claim.
  const returning = await guestWith(3)
  const offer = await signInAs('alice', returning, port)
  assert.equal(offer, '/claim?return_to=%2F')
  assert.equal(await cartOf(returning), '0')
  const question = await (await returning.get(offer)).text()
  assert.match(question, /Take <strong><bdi>3 apples<\/bdi><\/strong> with you\?/)
  const id = /name="guest" value="([\w-]+)"/.exec(question)![1]!
  await returning.post('/claim', { guest: id, return_to: '/', choice: 'yes' })
  assert.equal(await cartOf(returning), '3')
})

/** Signs in as Alice at the development provider, from the application's front page back to it; answers what it says. */
async function greetingFor(origin: string, port: number): Promise<string> {
  const app = new Browser(origin, sendOverHttp)
  const led = await app.get('/')
  assert.equal(led.status, 303, await led.clone().text())
  const back = await app.get(await signInAs('alice', app, port, led.headers.get('location')!))
  assert.equal(back.status, 200)
  return back.text()
}

/** Signs in at the development provider; answers where Sallyport leads then. */
async function signInAs(
  person: string,
  app: Browser,
  port: number,
  login: string = '/login',
): Promise<string> {
  const provider = new Browser(`http://127.0.0.1:${port + 1}`, sendOverHttp)
  const page = await (await app.get(login)).text()
  const action = /action="(\/sso\/[^"]+\/start)"/.exec(page)?.[1]
  const left = await app.post(action!, { return_to: '/' })

  let answer = await provider.get(refreshOf(left).href)
  const interaction = new URL(answer.headers.get('location')!, provider.origin)
  await provider.get(interaction.href)
  answer = await provider.post(`${interaction.pathname}/sign-in/${person}`)
  while (new URL(answer.headers.get('location')!, provider.origin).origin === provider.origin)
    answer = await provider.get(answer.headers.get('location')!)

  const welcome = await app.get(answer.headers.get('location')!, { 'sec-fetch-site': 'cross-site' })
  assert.equal(welcome.status, 303, await welcome.clone().text())
  return welcome.headers.get('location')!
}

const configurations = [
  'nginx/sallyport.conf',
  'caddy/Caddyfile',
  'traefik/dynamic.yml',
  'envoy/envoy.yaml',
  'haproxy/haproxy.cfg',
]
for (const file of configurations) {
  test(`${file} carries every identity header and the secret, and the document names it`, async () => {
    const text = (await readFile(join(examples, file), 'utf8')).toLowerCase()
    const document = await readFile(join(examples, '../docs/proxies.md'), 'utf8')
    for (const name of Object.keys(identityHeaders)) {
      assert.ok(text.includes(name), name)
      assert.ok(document.toLowerCase().includes(`\`${name}\``), name)
    }
    assert.ok(text.includes('x-sallyport-proxy'))
    assert.ok(document.includes(`(../examples/${file})`), file)
  })
}
