import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { createEgress, EgressError } from '../../src/lib/egress.ts'
import type { Egress, EgressPolicy, EgressReason } from '../../src/lib/egress.ts'
import { drip, hold, serve, serveBytes, serveTls } from '../_servers.ts'

const share = 'connection'

suite('fetch', () => {
  test('answers with status, headers and the whole body', async (t) => {
    const port = await serve(t, (_request, response) => {
      response.writeHead(404, { 'content-type': 'application/json', 'x-many': ['1', '2'] })
      response.write('{"error":')
      response.end('"none"}')
    })
    const answer = await egressTo(t).fetch(`http://127.0.0.1:${port}/x?y=z`, { share })
    assert.equal(answer.status, 404)
    assert.equal(answer.headers.get('content-type'), 'application/json')
    assert.equal(answer.headers.get('x-many'), '1, 2')
    assert.deepEqual(await answer.json(), { error: 'none' })
  })

  test('sends method, path, headers and body', async (t) => {
    const port = await serve(t, async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const { method, url, headers } = request
      response.end(JSON.stringify([method, url, headers['authorization'], body]))
    })
    const answer = await egressTo(t).fetch(new URL(`http://localhost:${port}/token?a=b`), {
      share,
      method: 'POST',
      headers: { authorization: 'Basic x' },
      body: 'grant_type=é',
    })
    assert.deepEqual(await answer.json(), ['POST', '/token?a=b', 'Basic x', 'grant_type=é'])
  })

  test('an answer without a body is an answer', async (t) => {
    const port = await serve(t, (_request, response) => response.writeHead(204).end())
    const answer = await egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share })
    assert.equal(answer.status, 204)
    assert.equal(await answer.text(), '')
  })

  test('a compressed body is handed on as if it had never been compressed', async (t) => {
    const port = await serve(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'GZIP' }).end(gzipSync('{"a":1}'))
    })
    const answer = await egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share })
    assert.deepEqual(await answer.json(), { a: 1 })
    assert.equal(answer.headers.get('content-encoding'), null)
    assert.equal(answer.headers.get('content-length'), null)
  })

  test('a name keeps its Host and SNI, and its certificate must be for it', async (t) => {
    const { port, trust } = await serveTls(t, 'idp.example', (request, response) => {
      const { servername } = request.socket as TLSSocket
      response.end(JSON.stringify([servername, request.headers.host]))
    })
    const egress = egressTo(t, { resolve: async () => ['127.0.0.1'] })
    const url = `https://idp.example:${port}/`
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
    await fails(egress.fetch(url, { share }), 'egress_failed')

    trust()
    const answer = await egress.fetch(url, { share })
    assert.deepEqual(await answer.json(), ['idp.example', `idp.example:${port}`])
    await fails(egress.fetch(`https://other.example:${port}/`, { share }), 'egress_failed')
  })

  test('an error says nothing about the address, the port or why', async (t) => {
    const egress = egressTo(t, { resolve: async () => ['93.184.215.14', '10.0.0.1'] })
    for (const url of ['https://idp.example:8443/', 'https://10.0.0.1/', 'gopher://idp/']) {
      await assert.rejects(egress.fetch(url, { share }), new EgressError('egress_blocked'))
    }
  })

  test('closing gives up what is under way', async (t) => {
    const held = hold()
    const port = await serve(t, held.arrive)
    const egress = egressTo(t, {
      resolve: async (host) => (host === 'idp.example' ? ['127.0.0.1'] : new Promise(() => {})),
    })
    const asked = egress.fetch(`http://idp.example:${port}/`, { share })
    const resolving = egress.check('https://slow.example/')
    await held.arrived(1)
    await egress.close()
    await fails(asked, 'egress_failed')
    await fails(resolving, 'egress_failed')
  })

  test('no connection outlives its request, however that ended', { timeout: 10_000 }, async (t) => {
    const endings: [bytes: string, reason: EgressReason][] = [
      ['', 'egress_timeout'],
      ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', 'egress_timeout'],
      ['HTTP/1.1 302 Found\r\nContent-Length: 10\r\n\r\n', 'egress_redirect'],
      [
        `HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n${'a'.repeat(300_000)}`,
        'egress_too_large',
      ],
      ['HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 10\r\n\r\n', 'egress_failed'],
    ]
    for (const [bytes, reason] of endings) {
      const closed = Promise.withResolvers<void>()
      const port = await serveBytes(t, (socket) => {
        socket.on('close', () => closed.resolve()).resume()
        socket.write(bytes)
      })
      const egress = egressTo(t, { deadlineMs: reason === 'egress_timeout' ? 100 : 60_000 })
      await fails(egress.fetch(`http://127.0.0.1:${port}/`, { share }), reason)
      await closed.promise
    }
  })

  test('a protocol switch, a broken answer and a dropped connection are failures', async (t) => {
    const answers = [
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope',
      'SSH-2.0-x\r\n',
      '',
    ]
    for (const answer of answers) {
      const port = await serveBytes(t, (socket) => socket.end(answer))
      await fails(egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_failed')
    }
  })
})

suite('the answer', () => {
  test('FET-04 a redirect is not followed', async (t) => {
    let followed = 0
    const aim = await serve(t, (_request, response) => response.end(String(++followed)))
    const port = await serve(t, (request, response) => {
      const status = Number(request.url?.slice(1))
      response.writeHead(status, { location: `http://127.0.0.1:${aim}/` }).end()
    })
    const egress = egressTo(t)
    for (const status of [300, 301, 302, 303, 304, 307, 308, 399]) {
      const url = `http://127.0.0.1:${port}/${status}`
      await fails(egress.fetch(url, { share }), 'egress_redirect')
      await fails(egress.fetch(url, { share, method: 'POST', body: 'x' }), 'egress_redirect')
    }
    assert.equal(followed, 0)
  })

  test('FET-07 a body is read up to the cap and no further', async (t) => {
    const port = await serve(t, (request, response) => {
      response.end(Buffer.alloc(Number(request.url?.slice(1))))
    })
    const egress = egressTo(t)
    const whole = await egress.fetch(`http://127.0.0.1:${port}/${256 * 1024}`, { share })
    assert.equal((await whole.arrayBuffer()).byteLength, 256 * 1024)
    const more = egress.fetch(`http://127.0.0.1:${port}/${256 * 1024 + 1}`, { share })
    await fails(more, 'egress_too_large')
  })

  test('FET-07 an endless body is cut off, chunked or with a length', async (t) => {
    for (const framing of [{}, { 'content-length': 2 ** 31 }]) {
      const port = await serve(t, (_request, response) => {
        response.writeHead(200, framing)
        const pour = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        }
        response.on('drain', pour)
        pour()
      })
      const asked = egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share })
      await fails(asked, 'egress_too_large')
    }
  })

  test('FET-07 a length that lies is a failure', async (t) => {
    const port = await serveBytes(t, (socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort')
    })
    await fails(egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_failed')
    const shorter = await serveBytes(t, (socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nmore')
    })
    const answer = await egressTo(t).fetch(`http://127.0.0.1:${shorter}/`, { share })
    assert.equal(await answer.text(), 'ok')
  })

  test('FET-07 a gzip bomb is cut off while its memory is small', async (t) => {
    const member = gzipSync(Buffer.alloc(2 ** 20))
    const bomb = Buffer.concat(Array.from({ length: 200 }, () => member))
    assert.ok(bomb.length < 256 * 1024, 'on the wire it keeps to the cap')
    const port = await serve(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
    })
    const before = process.resourceUsage().maxRSS
    await fails(egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_too_large')
    const grownKiB = process.resourceUsage().maxRSS - before
    assert.ok(grownKiB < 32 * 1024, `${grownKiB} KiB`)
  })

  test('FET-07 bytes that decompress to nothing count too', async (t) => {
    const nothing = gzipSync('')
    const port = await serve(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      response.end(Buffer.concat(Array.from({ length: 20_000 }, () => nothing)))
    })
    await fails(egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_too_large')
  })

  test('FET-07 an encoding that was not asked for is refused', async (t) => {
    const bodies = new Map([
      ['br', brotliCompressSync('x')],
      ['gzip, gzip', gzipSync(gzipSync('x'))],
      ['constructor', Buffer.from('x')],
    ])
    for (const [encoding, body] of bodies) {
      const port = await serve(t, (request, response) => {
        assert.equal(request.headers['accept-encoding'], 'gzip')
        response.writeHead(200, { 'content-encoding': encoding }).end(body)
      })
      const headers = { 'Accept-Encoding': 'br' }
      const asked = egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share, headers })
      await fails(asked, 'egress_failed', encoding)
    }
  })

  test('FET-07 more than 16 KiB of headers are refused', async (t) => {
    const many = 'a: b\r\n'.repeat(10_000)
    const long = `a: ${'b'.repeat(20_000)}\r\n`
    for (const headers of [many, long]) {
      const port = await serveBytes(t, (socket) => {
        socket.end(`HTTP/1.1 200 OK\r\n${headers}\r\n`)
      })
      const asked = egressTo(t).fetch(`http://127.0.0.1:${port}/`, { share })
      await fails(asked, 'egress_too_large')
    }
  })

  test('FET-07 the deadline covers handshake, headers and a body that drips', async (t) => {
    const tlsRecord = Buffer.from([0x16, 3, 3, 0x3f, 0xff])
    const slow: [scheme: string, answer: (socket: Socket) => void][] = [
      ['https', () => {}],
      ['https', (socket) => drip(socket, tlsRecord)],
      ['http', () => {}],
      ['http', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nX: ')],
      ['http', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')],
      ['http', (socket) => drip(socket, 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 ')],
    ]
    for (const [scheme, answer] of slow) {
      const port = await serveBytes(t, answer)
      const egress = egressTo(t, { deadlineMs: 100 })
      await fails(egress.fetch(`${scheme}://localhost:${port}/`, { share }), 'egress_timeout')
    }
  })

  test('FET-07 the deadline covers the name servers, and is five seconds', async (t) => {
    const egress = egressTo(t, { resolve: () => new Promise(() => {}) })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let ended = 0
    const asked = [
      egress.check('https://idp.example/'),
      egress.fetch('https://idp.example/', { share }),
    ].map((asking) => fails(asking, 'egress_timeout').then(() => ended++))
    t.mock.timers.tick(4999)
    await new Promise(setImmediate)
    assert.equal(ended, 0)
    t.mock.timers.tick(1)
    await Promise.all(asked)
  })

  test('FET-07 nothing is dialled once the deadline has passed', async (t) => {
    let connections = 0
    const port = await serveBytes(t, () => connections++)
    const { promise, resolve } = Promise.withResolvers<string[]>()
    const egress = egressTo(t, { deadlineMs: 10, resolve: () => promise })
    await fails(egress.fetch(`http://idp.example:${port}/`, { share }), 'egress_timeout')
    resolve(['127.0.0.1'])
    // Whoever dials before us would be counted by then.
    const next = egressTo(t, { deadlineMs: 100 })
    await fails(next.fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_timeout')
    assert.equal(connections, 1)
  })
})

suite('proxies', () => {
  test('FET-12 proxy variables are ignored, even those that Node itself would follow', async (t) => {
    let proxied = 0
    const proxy = await serve(t, (_request, response) => response.end(`proxied ${++proxied}`))
    const port = await serve(t, (_request, response) => response.end('direct'))
    const { port: tlsPort } = await serveTls(t, 'localhost', () => {})
    const source = new URL('../../src/lib/egress.ts', import.meta.url)
    const program = `
      import { get } from 'node:http'
      import { text } from 'node:stream/consumers'
      import { createEgress } from '${source}'
      const egress = createEgress({ allowLoopback: true })
      const url = 'http://127.0.0.1:${port}/'
      const answer = await egress.fetch(url, { share: 'a' })
      console.log(await answer.text())
      await egress.fetch('https://localhost:${tlsPort}/', { share: 'a' }).catch((e) => console.log(e.cause.code))
      get(url, async (response) => console.log(await text(response)))
    `
    const address = `http://127.0.0.1:${proxy}`
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY']
    const env = { ...process.env, NO_PROXY: '', no_proxy: '', NODE_USE_ENV_PROXY: '1' }
    for (const name of names) Object.assign(env, { [name]: address })
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      { env },
    )
    assert.deepEqual(stdout.trim().split('\n'), [
      'direct',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'proxied 1',
    ])
  })
})

suite('shares', () => {
  test('FET-15 a provider that hangs keeps twenty requests and no more; others go on', async (t) => {
    const held = hold()
    const hanging = await serve(t, held.arrive)
    const port = await serve(t, (_request, response) => response.end('fine'))
    const egress = egressTo(t)
    const asked = Array.from({ length: 500 }, () =>
      egress.fetch(`http://127.0.0.1:${hanging}/`, { share: 'hanging' }),
    )
    await Promise.all(asked.splice(20).map((asking) => fails(asking, 'egress_busy')))
    await held.arrived(20)
    const other = await egress.fetch(`http://127.0.0.1:${port}/`, { share: 'other' })
    assert.equal(await other.text(), 'fine')

    held.release()
    for (const answer of await Promise.all(asked)) assert.equal(await answer.text(), 'released')
    const again = await egress.fetch(`http://127.0.0.1:${port}/`, { share: 'hanging' })
    assert.equal(await again.text(), 'fine')
  })

  test('FET-15 after five failures a share fails at once, until a probe goes well', async (t) => {
    let now = 0
    let requests = 0
    let well = false
    const port = await serve(t, (_request, response) => {
      requests++
      if (well) response.end('fine')
      else response.destroy()
    })
    const url = `http://127.0.0.1:${port}/`
    const egress = egressTo(t, { now: () => now })
    for (let n = 0; n < 5; n++) await fails(egress.fetch(url, { share }), 'egress_failed')
    await fails(egress.fetch(url, { share }), 'egress_busy')
    assert.equal(requests, 5)

    well = true
    now = 10_000
    const [probe, second] = [egress.fetch(url, { share }), egress.fetch(url, { share })]
    await fails(second, 'egress_busy')
    assert.equal(await (await probe).text(), 'fine')
    assert.equal(await (await egress.fetch(url, { share })).text(), 'fine')
  })

  test('FET-15 a timeout counts as a failure; an answer that is refused does not', async (t) => {
    const silent = await serveBytes(t, () => {})
    const timing = egressTo(t, { deadlineMs: 20, failuresToOpen: 1 })
    await fails(timing.fetch(`http://127.0.0.1:${silent}/`, { share }), 'egress_timeout')
    await fails(timing.fetch(`http://127.0.0.1:${silent}/`, { share }), 'egress_busy')

    const port = await serve(t, (_request, response) => response.writeHead(302).end())
    const egress = egressTo(t, { failuresToOpen: 1 })
    for (let n = 0; n < 3; n++) {
      await fails(egress.fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_redirect')
      await fails(egress.fetch('https://10.0.0.1/', { share }), 'egress_blocked')
    }
  })
})

/** A client that may dial loopback, closed with the test. */
function egressTo(t: TestContext, policy: Partial<EgressPolicy> = {}): Egress {
  const egress = createEgress({ allowLoopback: true, ...policy })
  t.after(() => egress.close())
  return egress
}

async function fails(asking: Promise<unknown>, reason: EgressReason, note?: string): Promise<void> {
  await assert.rejects(asking, { name: 'EgressError', reason, message: reason }, note)
}
