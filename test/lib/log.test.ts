import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { suite, test } from 'node:test'
import { createLog, type Log } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secrets.ts'

const canary = 'cAnArY-9f3b'

/** A log and everything it has written. */
function collected(level: Parameters<typeof createLog>[0] = 'trace'): { log: Log; text(): string } {
  const lines: string[] = []
  const to = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return { log: createLog(level, to), text: () => lines.join('') }
}

suite('the log', () => {
  const names = [
    'authorization cookie set-cookie code code_verifier state nonce token access_token',
    'refresh_token id_token client_secret clientSecret client_assertion verifier secret password',
  ].flatMap((line) => line.split(' '))

  test('what has the name of a secret is not written, at three levels and in lists', () => {
    for (const name of names) {
      const { log, text } = collected()
      const secret = { [name]: canary }
      log.info(secret, 'one')
      log.info({ request: secret }, 'two')
      log.info({ request: { headers: secret } }, 'three')
      log.info({ list: [secret] }, 'in a list')
      log.child(secret).info({ other: 'kept' }, 'child')
      log.child({ request: secret }).info('child two')
      log.error({ err: Object.assign(new Error('failed'), { response: secret }) }, 'error')
      assert.ok(!text().includes(canary), `${name}: ${text()}`)
      assert.match(text(), /\[redacted\]/)
      assert.match(text(), /"other":"kept"/)
    }
  })

  test('a secret that is marked as one is not written under any name', () => {
    const { log, text } = collected()
    const value = new Secret(canary)
    log.info({ harmless: value, deep: { er: { and: { deeper: value } } } }, `in a text: ${value}`)
    log.info('as an argument: %s %j %o', value, value, { value })
    assert.ok(!text().includes(canary), text())
  })

  test('SEC-07 a line stays one line whatever is in it', () => {
    const { log, text } = collected()
    const name = 'Eve\r\n{"level":60,"msg":"forged"}\u001b[31m"}'
    log.info({ name }, `signed in: ${name}`)
    const lines = text().trimEnd().split('\n')
    assert.equal(lines.length, 1)
    assert.equal(JSON.parse(lines[0]!).name, name)
    assert.ok(!text().includes('\u001b'))
  })

  test('an error keeps its kind, message and code', () => {
    const { log, text } = collected()
    log.warn({ err: Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' }) }, 'oh')
    const { err, msg, level, hostname, pid } = JSON.parse(text())
    assert.deepEqual([err.type, err.message, err.code], ['Error', 'connect failed', 'ECONNREFUSED'])
    assert.deepEqual([msg, level, hostname, pid], ['oh', 40, undefined, undefined])
  })

  test('a code that names an error is written, one that could be redeemed is not', () => {
    const { log, text } = collected()
    const redeemable = [
      canary,
      'toString',
      '4/0AQSTgQ',
      'M.C507_BL2.2.U',
      'a'.repeat(43),
      'E'.repeat(32),
    ]
    for (const code of [
      'flow_invalid',
      'ECONNRESET',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      '57014',
      '08006',
    ])
      log.child({ code }).info({ err: Object.assign(new Error(), { code }) }, 'an error')
    assert.ok(!text().includes('[redacted]'), text())
    for (const code of redeemable) {
      log.child({ code }).info({ query: { code } }, 'a sign-in')
      assert.ok(!text().includes(`"${code}"`), code)
    }
  })

  test('writes nothing below its level', () => {
    const { log, text } = collected('warn')
    log.info('quiet')
    assert.equal(text(), '')
    log.warn('loud')
    assert.match(text(), /loud/)
  })
})
