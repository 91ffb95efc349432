import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'
import { parseRange } from '../../src/lib/addresses.ts'
import { createEgress } from '../../src/lib/egress.ts'
import type { Egress, EgressPolicy, EgressReason } from '../../src/lib/egress.ts'
import { serve, serveBytes, serveTls } from '../_servers.ts'

const share = 'connection'
const publicAddress = '93.184.215.14'

suite('the URL', () => {
  const badUrls = [
    'http://idp.example/',
    'file:///etc/passwd',
    'gopher://idp.example/',
    'data:application/json,{}',
    'ftp://idp.example/',
    'javascript:1',
    'https://user:pass@idp.example/',
    'https://user@idp.example/',
    'https://idp.example/#fragment',
    'https://idp.example/#',
    'https://idp.example/\r\nX: y',
    'https://idp.example/a b',
    ' https://idp.example/',
    'https:\\\\idp.example\\',
    'https://idp\t.example/',
    `https://idp.example/${'a'.repeat(2048)}`,
    'https://іdp.example/',
    'https://xn--dp-vlc.example/',
    'https://login.xn--dp-vlc.example/',
    `https://${publicAddress}/`,
    'https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/',
    'https://',
    '',
  ]

  test('FET-01 anything but a plain https URL with a name is refused before it is looked up', async (t) => {
    let lookups = 0
    const resolve = async (): Promise<string[]> => [publicAddress].splice(0, ++lookups)
    const egress = egressTo(t, { allowLoopback: false, resolve })
    for (const url of badUrls) {
      await fails(egress.check(url), 'egress_blocked', url)
      await fails(egress.fetch(url, { share }), 'egress_blocked', url)
    }
    assert.equal(lookups, 0)
    await egress.check('https://idp.example/')
    await egress.check(`https://idp.example:8443/${'a'.repeat(2000)}?b=%20c`)
    assert.equal(lookups, 2)
  })

  test('FET-01 a development server refuses them too', async (t) => {
    const egress = egressTo(t, { resolve: async () => [publicAddress] })
    for (const url of badUrls) await fails(egress.check(url), 'egress_blocked', url)
    await egress.check('https://idp.example/')
    const local = egressTo(t, { resolve: async () => ['127.0.0.1'] })
    for (const scheme of ['ftp', 'file', 'gopher', 'ws']) {
      await fails(local.check(`${scheme}://idp.example/`), 'egress_blocked', scheme)
    }
  })

  test('FET-06 every URL a provider lists stands the same test', async (t) => {
    const addresses = new Map([['idp.example', publicAddress]])
    const resolve = async (host: string): Promise<string[]> => [addresses.get(host) ?? '10.1.2.3']
    const egress = egressTo(t, { allowLoopback: false, resolve })
    const listed = [
      '/token',
      'token',
      '//idp.example/token',
      'data:application/json,{"keys":[]}',
      'http://idp.example/jwks',
      'https://intranet.example/jwks',
    ]
    for (const url of listed) await fails(egress.check(url), 'egress_blocked', url)
    await egress.check('https://idp.example/jwks')
  })
})

suite('the address', () => {
  const privateAddresses = [
    '127.0.0.1 127.255.255.254 ::1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1',
    '169.254.169.254 fe80::1 febf::1 fc00::1 fd12:3456::1 fec0::1 100.64.0.1 100.127.255.255',
    '0.0.0.0 0.1.2.3 :: 192.0.0.192 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255',
    '192.88.99.1 224.0.0.1 239.255.255.255 ff02::1 240.0.0.1 255.255.255.255',
    '::ffff:10.0.0.1 ::ffff:93.184.215.14 ::10.0.0.1 ::ffff:0:10.0.0.1',
    '64:ff9b::a00:1 64:ff9b::5db8:d70e 64:ff9b:1::1 2002:a00:1:: 2002:5db8:d70e::1 2001::1',
    '2001:db8::1 3fff::1 2001:2::1 100::1 5f00::1 4000::1',
  ].flatMap((line) => line.split(' '))

  test('FET-02 a name with an address that is not public is refused, at save and at use', async (t) => {
    for (const address of privateAddresses) {
      const egress = egressTo(t, { allowLoopback: false, resolve: async () => [address] })
      await fails(egress.check('https://idp.example/'), 'egress_blocked', address)
      await fails(egress.fetch('https://idp.example/', { share }), 'egress_blocked', address)
    }
    for (const address of [publicAddress, '1.1.1.1', '2606:2800:21f:cb07::1', '2a00:1450::1']) {
      const egress = egressTo(t, { allowLoopback: false, resolve: async () => [address] })
      await egress.check('https://idp.example/')
    }
  })

  test('FET-02 an address in any spelling is refused', async (t) => {
    const hosts =
      '2130706433 0177.0.0.1 0x7f.1 0x7f000001 127.1 127.0.0.1. 0 [::1] [::ffff:10.0.0.1]'
    const egress = egressTo(t, { allowLoopback: false, resolve: async () => [publicAddress] })
    for (const host of hosts.split(' ')) {
      await fails(egress.check(`https://${host}/`), 'egress_blocked', host)
    }
  })

  test('FET-02 a final dot, localhost and the metadata name of a cloud are refused', async (t) => {
    const dotted = egressTo(t, { allowLoopback: false, resolve: async () => [publicAddress] })
    for (const host of ['localhost.', 'idp.example.', 'metadata.google.internal.']) {
      await fails(dotted.check(`https://${host}/`), 'egress_blocked', host)
    }
    const metadata = egressTo(t, { resolve: async () => ['169.254.169.254'] })
    await fails(metadata.check('https://metadata.google.internal/'), 'egress_blocked')
    const real = createEgress({ allowLoopback: false })
    for (const host of ['localhost', 'LOCALHOST', 'a.localhost']) {
      await fails(real.check(`https://${host}/`), 'egress_blocked', host)
    }
  })

  test('FET-02 what is refused is not dialled', async (t) => {
    let connections = 0
    const port = await serveBytes(t, (socket) => {
      connections++
      socket.destroy()
    })
    const egress = egressTo(t, { allowLoopback: false, resolve: async () => ['127.0.0.1'] })
    await fails(egress.fetch(`https://idp.example:${port}/`, { share }), 'egress_blocked')
    await fails(egress.fetch(`https://127.0.0.1:${port}/`, { share }), 'egress_blocked')
    await fails(egress.fetch(`http://127.0.0.1:${port}/`, { share }), 'egress_blocked')
    assert.equal(connections, 0)
  })

  test('FET-02 in development loopback is allowed and nothing else that is not public', async (t) => {
    for (const address of ['127.0.0.1', '127.0.0.2', '::1']) {
      const egress = egressTo(t, { resolve: async () => [address] })
      await egress.check('http://idp.example/')
      await egress.check('https://idp.example/')
    }
    const others = privateAddresses.filter((address) => !/^(127\.|::1$)/.test(address))
    for (const address of others) {
      const egress = egressTo(t, { resolve: async () => [address] })
      await fails(egress.check('https://idp.example/'), 'egress_blocked', address)
      await fails(egress.check('http://idp.example/'), 'egress_blocked', address)
    }
    const egress = egressTo(t)
    await egress.check('http://127.0.0.1:1/')
    await egress.check('https://[::1]:1/')
    await fails(egress.check('http://10.0.0.1/'), 'egress_blocked')
  })

  test('FET-02 an allowed range opens its addresses by name over https, and nothing else', async (t) => {
    const allow = ['10.1.0.0/16', '100.64.0.0/10', 'fc00::/7'].map((text) => parseRange(text)!)
    const open = ['10.1.2.3', '100.64.0.1', 'fd12:3456::1']
    for (const address of open) {
      const egress = egressTo(t, { allowLoopback: false, allow, resolve: async () => [address] })
      await egress.check('https://idp.example/')
      await fails(egress.check('http://idp.example/'), 'egress_blocked', address)
      const named = address.includes(':') ? `[${address}]` : address
      await fails(egress.check(`https://${named}/`), 'egress_blocked', address)
    }
    const closed = privateAddresses.filter((address) => !/^(100\.|fc|fd)/.test(address))
    const metadata = '169.254.169.254 100.100.100.200 fd00:ec2::254 fd00:c1::a9fe:a9fe fd20:ce::254'
    const everywhere = ['0.0.0.0/0', '::/0'].map((text) => parseRange(text)!)
    for (const address of [...closed, '10.2.0.1', '::ffff:10.1.2.3']) {
      const egress = egressTo(t, { allowLoopback: false, allow, resolve: async () => [address] })
      await fails(egress.check('https://idp.example/'), 'egress_blocked', address)
    }
    for (const address of metadata.split(' ')) {
      const resolve = async () => [address]
      for (const ranges of [allow, everywhere]) {
        const egress = egressTo(t, { allowLoopback: false, allow: ranges, resolve })
        await fails(egress.check('https://idp.example/'), 'egress_blocked', address)
      }
    }
  })

  test('FET-03 an allowed address beside a public one, or beside another, is refused', async (t) => {
    const allow = [parseRange('10.1.0.0/16')!]
    for (const addresses of [
      ['10.1.2.3', publicAddress],
      ['10.1.2.3', '10.2.0.1'],
    ]) {
      const egress = egressTo(t, { allowLoopback: false, allow, resolve: async () => addresses })
      await fails(egress.check('https://idp.example/'), 'egress_blocked')
    }
  })

  test('FET-02 an allowed address is dialled over TLS, under the name', async (t) => {
    const tls = await serveTls(t, 'idp.corp.example', (_request, response) => response.end('here'))
    tls.trust()
    const resolve = async () => ['127.0.0.1']
    const url = `https://idp.corp.example:${tls.port}/`
    const allow = [parseRange('127.0.0.1')!]
    const open = egressTo(t, { allowLoopback: false, allow, resolve })
    assert.equal(await (await open.fetch(url, { share })).text(), 'here')
    const other = `https://other.corp.example:${tls.port}/`
    await fails(
      open.fetch(other, { share }),
      'egress_failed',
      'the certificate is for another name',
    )
    const closed = egressTo(t, { allowLoopback: false, resolve })
    await fails(closed.fetch(url, { share }), 'egress_blocked')
  })

  test('FET-03 one address that is not public among several is enough to refuse', async (t) => {
    const mixes = [
      [publicAddress, '10.0.0.1'],
      [publicAddress, 'fd00::1'],
      ['2606:2800:21f:cb07::1', '127.0.0.1'],
    ]
    for (const addresses of mixes) {
      for (const allowLoopback of [false, true]) {
        const egress = egressTo(t, { allowLoopback, resolve: async () => addresses })
        await fails(egress.check('https://idp.example/'), 'egress_blocked')
        await fails(egress.fetch('https://idp.example/', { share }), 'egress_blocked')
      }
    }
  })

  test('FET-03 a name is resolved once and the vetted address is dialled', async (t) => {
    const port = await serve(t, (_request, response) => response.end('rebound'))
    const vetted: RequestListener = (request, response) => response.end(request.headers.host)
    await serve(t, vetted, { host: '127.0.0.2', port })
    const answers = [['127.0.0.2'], ['127.0.0.1']]
    const egress = egressTo(t, { resolve: async () => answers.shift() ?? [] })
    const answer = await egress.fetch(`http://idp.example:${port}/`, { share })
    assert.equal(await answer.text(), `idp.example:${port}`)
    assert.equal(answers.length, 1)
  })

  test('a name without an address is a failure', async (t) => {
    const none = egressTo(t, { resolve: async () => [] })
    await fails(none.check('https://idp.example/'), 'egress_failed')
    const broken = egressTo(t, { resolve: () => Promise.reject(new Error('SERVFAIL')) })
    await fails(broken.check('https://idp.example/'), 'egress_failed')
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
