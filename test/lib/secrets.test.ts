import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inspect } from 'node:util'
import {
  hashToken,
  isToken,
  randomToken,
  sameBytes,
  sameSecret,
  Secret,
} from '../../src/lib/secrets.ts'

suite('randomToken', () => {
  test('32 bytes are 43 characters of base64url, and no two are alike', () => {
    const tokens = Array.from({ length: 1000 }, () => randomToken())
    assert.equal(new Set(tokens).size, tokens.length)
    for (const token of tokens) assert.match(token, /^[A-Za-z0-9_-]{43}$/)
    assert.match(randomToken(16), /^[A-Za-z0-9_-]{22}$/)
  })

  test('a generator that fails or answers short gives no token', () => {
    const broken = (): Buffer => {
      throw new Error('no entropy')
    }
    for (const random of [broken, () => Buffer.alloc(31), () => Buffer.alloc(0)])
      assert.throws(() => randomToken(32, random), {
        code: 'temporarily_unavailable',
        reason: 'rng_failure',
      })
  })
})

suite('isToken', () => {
  test('takes exactly what randomToken makes', () => {
    for (const bytes of [16, 32] as const) assert.ok(isToken(randomToken(bytes), bytes))
  })

  test('refuses another length, another alphabet, padding and a second spelling', () => {
    const token = Buffer.alloc(32, 0xab).toString('base64url')
    const others = ['', token.slice(1), `${token}A`, `${token}=`, ` ${token.slice(1)}`]
    const alphabet = [`+${token.slice(1)}`, `/${token.slice(1)}`, `é${token.slice(1)}`]
    // The last character holds four bits of the token and two that are always zero.
    const stray = token.slice(0, -1) + String.fromCharCode(token.charCodeAt(42) + 1)
    assert.deepEqual(Buffer.from(stray, 'base64url'), Buffer.from(token, 'base64url'))
    for (const value of [...others, ...alphabet, stray]) assert.ok(!isToken(value), value)
    assert.ok(!isToken(token, 16) && !isToken(randomToken(16)))
  })
})

suite('comparing', () => {
  test('equal values are equal and no others, whatever their length', () => {
    const a = hashToken('a')
    assert.ok(sameBytes(a, hashToken('a')))
    for (const b of [hashToken('b'), a.subarray(1), Buffer.alloc(0)]) assert.ok(!sameBytes(a, b))
    assert.ok(sameSecret('secret', 'secret') && sameSecret('', ''))
    for (const other of ['Secret', 'secre', 'secret ', '']) assert.ok(!sameSecret('secret', other))
  })

  test('a token is stored as its SHA-256', () => {
    const known = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert.equal(hashToken('abc').toString('hex'), known)
  })
})

test('a secret prints nowhere, and is there when asked for', () => {
  const canary = 'cAnArY-9f3b'
  const held = { password: new Secret(canary), bytes: new Secret(Buffer.from(canary)) }
  const error = Object.assign(new Error('failed'), { held })
  const printed = [
    String(held.password),
    `${held.password}`,
    JSON.stringify(held),
    inspect(held, { depth: 9, showHidden: true, getters: true }),
    inspect(error, { depth: 9, showHidden: true }),
    inspect(structuredClone({ ...held.password })),
    Object.entries(held.password).join(),
    held.password + '',
  ]
  for (const text of printed) {
    assert.ok(!text.includes(canary), text)
    assert.ok(!text.includes(Buffer.from(canary).toString('hex').slice(0, 8)), text)
  }
  assert.equal(inspect(held.password), '[redacted]')
  assert.equal(held.password.reveal(), canary)
})
