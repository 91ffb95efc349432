import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ServerResponse } from 'node:http'
import type { Again, Answer, Presented } from '../../src/providers/again.ts'
import type { Proof } from '../../src/providers/proof.ts'
import { createWorld } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world

/** Somebody who has signed in, and how to ask about them again. */
async function signedIn(more = {}): Promise<{ again: Again; proof: Proof; refreshToken: string }> {
  const provider = world.connect(more)
  const proof = await world.signIn(provider)
  return { again: provider.again!, proof, refreshToken: proof.grant!.refreshToken! }
}

const answers = (status: number, body: string, headers: Record<string, string> = {}) => ({
  answer: {
    token: (response: ServerResponse) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body),
  },
})

async function refused(): Promise<{ answer: Answer; spent: boolean }> {
  hostile.twist({})
  const { again, refreshToken } = await signedIn()
  hostile.twist(twist)
  return (await again.refresh!(refreshToken)) as { answer: Answer; spent: boolean }
}
let twist = {}

describe('what comes with a refresh', () => {
  test('VER-12 an ID token about or for somebody else is an end; one that cannot be judged is none', async () => {
    const judged = async (claims: Record<string, unknown>) => {
      const { again, proof, refreshToken } = await signedIn()
      hostile.twist({ claims: (honest) => ({ ...honest, ...claims }) })
      const presented = await again.refresh!(refreshToken)
      assert.ok('tokens' in presented)
      const answer = await again.judge!(presented.tokens, proof)
      hostile.twist({})
      return answer.answer === 'could_not_tell' ? answer.doubt : answer.answer
    }
    assert.equal(await judged({ sub: 'eve' }), 'no_longer_true')
    assert.equal(await judged({ aud: 'somebody-else' }), 'no_longer_true')
    assert.equal(await judged({ iss: 'https://elsewhere.example' }), 'no_longer_true')
    assert.equal(await judged({ exp: 1 }), 'transient')
    assert.equal(await judged({}), 'still_true')
  })

  test('an ID token whose signature is wrong says nothing', async () => {
    const { again, proof, refreshToken } = await signedIn()
    hostile.twist({ idToken: (token) => `${token.slice(0, -6)}AAAAAA` })
    const presented = await again.refresh!(refreshToken)
    assert.ok('tokens' in presented)
    assert.equal((await again.judge!(presented.tokens, proof)).answer, 'could_not_tell')
  })
})

describe('UserInfo', () => {
  test('answers for the same person; another one is an end', async () => {
    const { again, proof } = await signedIn()
    const { accessToken } = proof.grant!
    assert.equal((await again.userinfo!(accessToken!, proof, false)).answer, 'still_true')
    hostile.twist({ userinfo: (claims) => ({ ...claims, sub: 'eve' }) })
    assert.equal((await again.userinfo!(accessToken!, proof, false)).answer, 'no_longer_true')
  })

  test('401 is about the person only where the access token is fresh', async () => {
    const { again, proof } = await signedIn()
    assert.equal((await again.userinfo!('stale', proof, true)).answer, 'no_longer_true')
    assert.deepEqual(await again.userinfo!('stale', proof, false), {
      answer: 'could_not_tell',
      doubt: 'unsupported',
      reason: 'userinfo: the access token is over',
    })
  })
})

describe('a refresh', () => {
  test('S1-05 brings new tokens, and an ID token that is judged', async () => {
    const { again, proof, refreshToken } = await signedIn()
    const presented = await again.refresh!(refreshToken)
    assert.ok('tokens' in presented)
    assert.notEqual(presented.tokens.refreshToken, refreshToken)
    assert.equal(presented.tokens.expiresIn, 300)
    const judged = await again.judge!(presented.tokens, proof)
    assert.equal(judged.answer, 'still_true')
  })

  test('VER-12 S1-09 needs neither a lifetime nor a new refresh token', async () => {
    const { again, refreshToken } = await signedIn()
    hostile.twist({ tokenResponse: () => ({ access_token: 'at' }) })
    assert.deepEqual(await again.refresh!(refreshToken), { tokens: { accessToken: 'at' } })
  })

  /** What a token endpoint says, and what it means. */
  const table = [
    ['S1-06', 400, '{"error":"invalid_grant"}', 'no_longer_true', true],
    ['S1-06', 401, '{"error":"invalid_token"}', 'no_longer_true', true],
    ['S1-06', 401, '{}', 'no_longer_true', true],
    ['VER-04', 401, '{"error":"invalid_client"}', 'misconfigured', false],
    ['VER-04', 400, '{"error":"unauthorized_client"}', 'misconfigured', false],
    ['VER-04', 400, '{"error":"invalid_request"}', 'misconfigured', false],
    ['VER-04', 400, '{"error":"something_else"}', 'misconfigured', false],
    ['S1-07', 400, '<html>', 'transient', false],
    ['S1-07', 401, '<html>', 'transient', false],
    ['S1-07', 403, '{"error":"forbidden"}', 'transient', false],
    ['S1-07', 404, '', 'transient', false],
    ['S1-07', 429, '', 'transient', false],
    ['S1-07', 500, '', 'transient', false],
    ['S1-07', 502, '', 'transient', true],
    ['S1-07', 503, '', 'transient', false],
    ['S1-07', 504, '', 'transient', true],
    ['S1-08', 200, 'not json', 'transient', true],
    ['S1-08', 200, '{"no":"token"}', 'transient', true],
    ['S1-08', 200, '{"access_token":"with\\u0000control"}', 'transient', true],
  ] as const
  for (const [id, status, body, means, spent] of table) {
    test(`${id} ${status} ${body} is ${means}${spent ? ', and the token is not presented again' : ''}`, async () => {
      twist = answers(status, body)
      const { answer, spent: was } = await refused()
      assert.equal(answer.answer === 'could_not_tell' ? answer.doubt : answer.answer, means)
      assert.equal(was, spent)
    })
  }

  test('VER-18 429 says how long to wait, within an hour', async () => {
    const pauses = []
    for (const asked of ['30', '99999', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1']) {
      twist = answers(429, '', { 'retry-after': asked })
      const { answer } = await refused()
      pauses.push(answer.answer === 'could_not_tell' ? answer.pause : undefined)
    }
    assert.deepEqual(pauses, [30_000, 3_600_000, undefined, undefined])
  })

  test('VER-08 a provider that hangs up after it heard the token may have used it; one that cannot be reached has not', async () => {
    twist = { answer: { token: (response: ServerResponse) => void response.destroy() } }
    assert.equal((await refused()).spent, true)
    hostile.twist({})
    const { again, refreshToken } = await signedIn()
    await hostile.close()
    const { spent, answer } = (await again.refresh!(refreshToken)) as Exclude<
      Presented,
      { tokens: unknown }
    >
    assert.deepEqual([spent, answer.answer], [false, 'could_not_tell'])
  })
})
