import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createHttpServer, listen, stopServer, type Answer } from '../../src/http/server.ts'
import { readAnswer, sendRaw } from '../_raw.ts'

const quick = { headersTime: 200, requestTime: 400, checkEvery: 50 }

let port: number
let server: ReturnType<typeof createHttpServer>
/** Bodies that reached the application, and how many requests did. */
const bodies: string[] = []
let asked = 0
const answer: Answer = async (request) => {
  asked++
  bodies.push(await request.text())
  return new Response(`hello ${request.method}`)
}

before(async () => {
  server = createHttpServer(answer, quick)
  port = await listen(server, { host: '127.0.0.1', port: 0 })
})
after(() => stopServer(server, 0))

const get = (lines: string) =>
  `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines}\r\n`

async function assertAlive(): Promise<void> {
  const { status, body } = await sendRaw(port, get(''))
  assert.equal(status, 200)
  assert.match(body, /hello GET/)
}

/** Refused before the application saw anything, with a page that says nothing, and the process lives. */
async function assertRefused(status: number, ...parts: (string | Buffer)[]) {
  const before = asked
  const got = await sendRaw(port, ...parts)
  assert.equal(got.status, status, got.text.slice(0, 300))
  assert.equal(asked, before, 'the application was not asked')
  assert.equal(got.headers.get('connection'), 'close')
  assert.equal(got.headers.get('cache-control'), 'no-store')
  assert.equal(got.headers.get('x-content-type-options'), 'nosniff')
  assert.match(got.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  assert.equal(got.headers.get('server'), null)
  await assertAlive()
  return got
}

describe('too much', () => {
  test('CKI-06 a cookie of more than the header limit is answered with 431 and a page that drops cookies', async () => {
    const got = await assertRefused(431, get(`Cookie: bomb=${'x'.repeat(17_000)}\r\n`))
    assert.equal(got.headers.get('clear-site-data'), '"cookies"')
    assert.match(got.headers.get('content-type')!, /^text\/html/)
    assert.match(got.body, /cookies/)
  })

  test('CKI-06 two hundred cookies and one of 8 KiB are read or refused, never a fault', async () => {
    const many = Array.from({ length: 200 }, (_, i) => `c${i}=${'y'.repeat(20)}`).join('; ')
    for (const cookie of [many, `big=${'z'.repeat(8192)}`])
      assert.equal((await sendRaw(port, get(`Cookie: ${cookie}\r\n`))).status, 200)
  })

  test('DOS-01 headers of 64 KiB, and one header of 32 KiB, are 431', async () => {
    const lines = Array.from({ length: 64 }, (_, i) => `X-H${i}: ${'a'.repeat(1000)}\r\n`).join('')
    await assertRefused(431, get(lines))
    await assertRefused(431, get(`X-One: ${'a'.repeat(32 * 1024)}\r\n`))
  })

  test('DOS-01 two thousand short headers are all read, or refused', async () => {
    const names = Array.from({ length: 2000 }, (_, i) => `${i.toString(36)}:b\r\n`).join('')
    const late: string[] = []
    const own = createHttpServer(async (request) => {
      late.push(request.headers.get('x-last') ?? 'dropped')
      return new Response('')
    })
    const at = await listen(own, { host: '127.0.0.1', port: 0 })
    assert.equal((await sendRaw(at, get(`${names}X-Last: here\r\n`))).status, 200)
    await stopServer(own, 0)
    assert.deepEqual(late, ['here'], 'none is dropped silently')
  })

  test('DOS-01 a target beyond 8 KiB is 414, and of 16 KiB too much for a header', async () => {
    const to = (length: number) =>
      `GET /${'p'.repeat(length)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
    await assertRefused(414, to(8192))
    await assertRefused(431, to(16 * 1024))
    assert.equal((await sendRaw(port, to(8000))).status, 200)
  })

  test(
    'DOS-01 headers that trickle in are cut off with 408, long before a body would be',
    { timeout: 30_000 },
    async (t) => {
      const own = createHttpServer(answer, {
        headersTime: 200,
        requestTime: 120_000,
        checkEvery: 50,
      })
      t.after(() => stopServer(own, 0))
      const socket = connect(await listen(own, { host: '127.0.0.1', port: 0 }), '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
      const timer = setInterval(() => socket.writable && socket.write('X'), 20)
      const got = await readAnswer(socket)
      clearInterval(timer)
      assert.equal(got.status, 408)
    },
  )

  test('DOS-01 a body that does not come is cut off with 408', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc')
    assert.equal((await readAnswer(socket)).status, 408)
    await assertAlive()
  })

  test('DOS-01 connections that say nothing are closed, and others go on', async () => {
    const sockets = Array.from({ length: 10 }, () => connect(port, '127.0.0.1'))
    const closed = await Promise.all(sockets.map((socket) => readAnswer(socket)))
    assert.equal(closed.length, 10)
    await assertAlive()
  })

  test('DOS-01 connections beyond the cap are dropped, and those within it stay', async (t) => {
    const own = createHttpServer(answer, { connections: 20 })
    t.after(() => stopServer(own, 0))
    const at = await listen(own, { host: '127.0.0.1', port: 0 })
    const sockets = Array.from({ length: 60 }, () => connect(at, '127.0.0.1'))
    const dropped = new Promise<void>((resolve) => {
      let left = 40
      for (const socket of sockets)
        socket.on('error', () => {}).on('close', () => --left === 0 && resolve())
    })
    await dropped
    assert.equal(await promisify(own.getConnections.bind(own))(), 20)
    for (const socket of sockets) socket.destroy()
  })
})

describe('requests that can be read in two ways', () => {
  const post = (lines: string, body: string) =>
    `POST / HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n${body}`
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'

  const malformed: Readonly<Record<string, string>> = {
    'CL.TE': post(`Content-Length: 6\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${smuggled}`),
    'TE.CL': post(
      `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`,
      `5c\r\n${smuggled}\r\n0\r\n\r\n`,
    ),
    'TE.TE': post(`Transfer-Encoding: chunked\r\nTransfer-Encoding: xchunked\r\n`, smuggled),
    'Transfer-Encoding: xchunked': post('Transfer-Encoding: xchunked\r\n', smuggled),
    'a space before the colon': post('Transfer-Encoding : chunked\r\n', smuggled),
    'two Content-Length': post('Content-Length: 0\r\nContent-Length: 5\r\n', smuggled),
    'two equal Content-Length': post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
    'a Content-Length that is no number': post('Content-Length: +5\r\n', 'hello'),
    'a negative Content-Length': post('Content-Length: -1\r\n', 'hello'),
    'a folded header': get('X-Folded: one\r\n two\r\n'),
    'bare LF between headers': 'GET / HTTP/1.1\nHost: localhost\n\n',
    'bare LF after a header': get('X-One: 1\nX-Two: 2\r\n'),
    'bare CR in a header': get('X-One: 1\rX-Two: 2\r\n'),
    'a NUL in a header': get('X-One: a\0b\r\n'),
    'a chunk size that is none': post('Transfer-Encoding: chunked\r\n', 'zz\r\nhello\r\n0\r\n\r\n'),
    'no HTTP at all': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n',
    'another version of HTTP': 'GET / HTTP/3.7\r\nHost: localhost\r\n\r\n',
  }
  for (const [name, bytes] of Object.entries(malformed)) {
    test(`FWD-13 ${name} is refused and the connection closed`, async () => {
      const got = await sendRaw(port, bytes)
      assert.equal(got.status, 400, got.text.slice(0, 300))
      assert.equal(got.text.match(/HTTP\/1\.1 /g)?.length, 1, 'one answer')
      assert.doesNotMatch(got.text, /hello GET/, 'nothing smuggled is answered')
      await assertAlive()
    })
  }

  test('FWD-13 what is malformed behind a request is not answered in the middle of its answer', async (t) => {
    const { promise: broken, resolve: breakOff } = Promise.withResolvers<void>()
    const own = createHttpServer(async () => {
      const body = new ReadableStream<string>({
        async start(controller) {
          controller.enqueue('the beginning')
          await broken
          controller.close()
        },
      }).pipeThrough(new TextEncoderStream())
      return new Response(body)
    })
    t.after(() => stopServer(own, 0))
    const socket = connect(await listen(own, { host: '127.0.0.1', port: 0 }), '127.0.0.1')
    const got = readAnswer(socket)
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    let said = ''
    socket.on('data', (chunk) => {
      said += String(chunk)
      if (said.includes('the beginning')) socket.write('GET / HTTP/1.1\nbroken\r\n\r\n')
    })
    const { text } = await got
    breakOff()
    assert.match(text, /the beginning/)
    assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1)
  })

  test('FWD-13 a second request that is malformed ends the connection after the first', async () => {
    const first = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const got = await sendRaw(port, first + 'GET / HTTP/1.1\nbroken')
    assert.ok((got.text.match(/hello GET/g)?.length ?? 0) <= 1)
    await assertAlive()
  })
})

describe('methods and hosts', () => {
  test('DOS-09 no Host, in HTTP/1.1 and 1.0, is 400', async () => {
    await assertRefused(400, 'GET / HTTP/1.1\r\n\r\n')
    await assertRefused(400, 'GET / HTTP/1.0\r\n\r\n')
  })

  test('DOS-09 two Hosts are 400', async () => {
    await assertRefused(400, get('Host: evil.example\r\n'))
  })

  test('DOS-09 a Host that is none is 400', async () => {
    await assertRefused400('GET / HTTP/1.1\r\nHost: a/b@c\r\nConnection: close\r\n\r\n')
    await assertRefused400('GET /a\\b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  })

  test('DOS-09 HTTP/1.0 with a Host is answered and closed', async () => {
    const got = await sendRaw(port, 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n')
    assert.equal(got.status, 200)
  })

  test('CKI-11 TRACE is 405 and echoes nothing', async () => {
    const got = await assertRefused(
      405,
      'TRACE / HTTP/1.1\r\nHost: localhost\r\nCookie: sallyport=canary\r\n\r\n',
    )
    assert.doesNotMatch(got.text, /canary/)
  })

  test('CKI-11 TRACK and methods nobody knows are 400', async () => {
    await assertRefused(400, 'TRACK / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await assertRefused(400, 'BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  })

  test('DOS-09 CONNECT is 405', async () => {
    await assertRefused(405, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n')
  })

  for (const method of ['GET', 'HEAD']) {
    test(`FWD-14 a body announced with ${method} is not waited for, and ends the connection`, async () => {
      const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
      const head = `${method} / HTTP/1.1\r\nHost: localhost\r\n`
      const before = asked
      for (const line of ['Content-Length: 500', 'Transfer-Encoding: chunked']) {
        const got = await sendRaw(port, `${head}${line}\r\n\r\n`)
        assert.equal(got.status, 200)
        assert.equal(got.headers.get('connection'), 'close')
        await sendRaw(port, `${head}${line}\r\n\r\n`, smuggled)
      }
      assert.equal(asked, before + 4, 'what followed is no request')
    })
  }

  test('FWD-14 an upgrade is not honoured', async () => {
    const got = await sendRaw(
      port,
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n',
    )
    assert.equal(got.status, 200)
    assert.equal(got.headers.get('upgrade'), null)
  })

  test('FWD-14 an expectation that is not 100-continue is refused', async () => {
    const got = await sendRaw(port, get('Expect: 200-maybe\r\n'))
    assert.equal(got.status, 417)
  })
})

/** As {@link assertRefused}, where the adapter reads the request before it refuses. */
async function assertRefused400(bytes: string): Promise<void> {
  const before = asked
  const got = await sendRaw(port, bytes)
  assert.equal(got.status, 400, got.text.slice(0, 300))
  assert.equal(asked, before)
  assert.equal(got.headers.get('cache-control'), 'no-store')
  await assertAlive()
}
