import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Route } from '../../src/http/exchange.ts'
import { formLimit } from '../../src/http/body.ts'
import { createHttpServer, listen, stopServer } from '../../src/http/server.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { readAnswer } from '../_raw.ts'

const forms: Readonly<Record<string, string>>[] = []
const route: Route = {
  method: 'POST',
  path: '/form',
  access: 'public',
  csrf: 'same-origin',
  body: 'form',
  endpoint: ({ form }) => {
    forms.push(form)
    return new Response('taken')
  },
}

let app: TestApp
let server: ReturnType<typeof createHttpServer>
let port: number
before(async () => {
  app = await startTestApp({ routes: [route] })
  server = createHttpServer(app.sallyport.fetch)
  port = await listen(server, { host: '127.0.0.1', port: 0 })
})
after(async () => {
  await stopServer(server, 0)
  await app.close()
})

const urlencoded = 'application/x-www-form-urlencoded'

function post(body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return app.browser().request('/form', {
    method: 'POST',
    body,
    headers: { origin: app.origin, 'content-type': urlencoded, ...headers },
  })
}

async function assertRefused(answer: Response, status: number): Promise<void> {
  assert.equal(answer.status, status)
  assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/)
  assert.equal(forms.length, 0, 'the endpoint was not asked')
}

test('a form is read', async () => {
  assert.equal((await post('a=1&b=%C3%A9+x&c=')).status, 200)
  assert.deepEqual({ ...forms.pop() }, { a: '1', b: 'é x', c: '' })
})

test('DOS-02 names that reach prototypes are only names', async () => {
  assert.equal((await post('__proto__=x&constructor=y&toString=z')).status, 200)
  const form = forms.pop()!
  assert.equal(Object.getPrototypeOf(form), null)
  assert.equal(form['__proto__'], 'x')
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})

test('DOS-02 a form beyond the limit is 413, whether it says so or not', async () => {
  const large = `a=${'x'.repeat(formLimit)}`
  await assertRefused(await post(large), 413)
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let sent = 0; sent <= formLimit; sent += 1024) controller.enqueue(Buffer.alloc(1024, 97))
      controller.close()
    },
  })
  const streamed = new Request(`${app.origin}/form`, {
    method: 'POST',
    body: stream,
    duplex: 'half',
    headers: { origin: app.origin, 'content-type': urlencoded },
  } as RequestInit)
  await assertRefused(await app.sallyport.fetch(streamed), 413)
})

for (const [how, framing] of [
  ['declared', 'Content-Length: 104857600\r\n'],
  ['chunked', 'Transfer-Encoding: chunked\r\n'],
] as const) {
  test(`DOS-02 of a body of 100 MiB, ${how}, only the beginning is taken`, async () => {
    const socket = connect(port, '127.0.0.1')
    const answer = readAnswer(socket)
    socket.write(
      `POST /form HTTP/1.1\r\nHost: localhost\r\nOrigin: ${app.origin}\r\nContent-Type: ${urlencoded}\r\n${framing}\r\n`,
    )
    const block = 'x'.repeat(64 * 1024)
    const piece = how === 'chunked' ? `10000\r\n${block}\r\n` : block
    let sent = 0
    const feed = (): void => {
      while (socket.writable && sent < 100 * 1024 * 1024) {
        sent += block.length
        if (!socket.write(piece)) return void socket.once('drain', feed)
      }
    }
    feed()
    const got = await answer
    assert.equal(got.status, 413)
    assert.equal(got.headers.get('connection'), 'close')
    assert.ok(sent < 100 * 1024 * 1024, `${sent} bytes were taken`)
    assert.equal(forms.length, 0)
  })
}

test(
  'DOS-02 a body that is announced too large is not waited for',
  { timeout: 10_000 },
  async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `POST /form HTTP/1.1\r\nHost: localhost\r\nOrigin: ${app.origin}\r\nContent-Type: ${urlencoded}\r\nContent-Length: 104857600\r\n\r\n`,
    )
    assert.equal((await readAnswer(socket)).status, 413)
  },
)

const otherTypes = [
  '',
  'text/plain',
  'application/json',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded-not',
  'application/x-www-form-urlencoded; charset=utf-7',
  'application/x-www-form-urlencoded; charset=iso-8859-1',
  'application/x-www-form-urlencoded, application/json',
]
for (const type of otherTypes) {
  test(`DOS-02 the content type "${type}" is 415`, async () => {
    await assertRefused(await post('a=1', { 'content-type': type }), 415)
  })
}

for (const encoding of ['gzip', 'br', 'deflate', 'gzip, identity', 'x-unknown']) {
  test(`DOS-02 a body encoded with ${encoding} is 415, and nothing unpacks it`, async () => {
    const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024, 97))
    await assertRefused(await post(new Uint8Array(bomb), { 'content-encoding': encoding }), 415)
  })
}

test('DOS-02 an encoding that changes nothing is none', async () => {
  assert.equal((await post('a=1', { 'content-encoding': 'identity' })).status, 200)
  forms.length = 0
})

const malformed: Readonly<Record<string, BodyInit>> = {
  'broken UTF-8': new Uint8Array([0x61, 0x3d, 0xff, 0xfe]),
  'a cut character': new Uint8Array([0x61, 0x3d, 0xc3]),
  'a field that comes twice': 'state=1&state=2',
  'a field that comes twice, once encoded': 'state=1&%73tate=2',
}
for (const [what, body] of Object.entries(malformed)) {
  test(`DOS-02 ${what} is 400`, async () => {
    await assertRefused(await post(body), 400)
  })
}

test('DOS-02 a form of many fields is read or refused at once', async () => {
  const started = performance.now()
  const fields = Array.from({ length: 2700 }, (_, i) => `${i.toString(36)}=1`).join('&')
  assert.ok(fields.length < formLimit)
  assert.equal((await post(fields)).status, 200)
  assert.ok(performance.now() - started < 1000)
  forms.length = 0
})
