import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { endProofs } from '../../src/sessions/ending.ts'
import type { ProvidedSessions } from '../../src/providers/provider.ts'
import type { NameId } from '../../src/providers/proof.ts'
import { startTestApp, type TestApp } from '../_app.ts'

const issuer = 'https://idp.example'
const own = 'https://app.example/sso/1/metadata'

/** Ends what the provider names, and answers how many proofs went. */
async function end(
  app: TestApp,
  nameId: NameId,
  sessions: string[] = [],
  connectionId = app.connectionId,
) {
  const provided: ProvidedSessions = { nameId, qualifiers: { provider: issuer, own }, sessions }
  const which = { organizationId: app.acme.id, connectionId, provided }
  const ended = await endProofs(app.sallyport.services, which, {}, app.clock.now())
  return ended.sessions + ended.proofs
}

async function signIn(app: TestApp, subject: string, providerSession: string, nameId: NameId) {
  app.provider.people.set(subject, { issuer, nameId, providerSession })
  const browser = app.browser()
  await app.signIn(browser, subject)
  return async () => (await browser.get('/me')).status === 200
}

suite('sessions that a provider ends by its own names', () => {
  test('SML-27 only those of that connection, that name and that session end', async () => {
    await using app = await startTestApp()
    const first = await signIn(app, 'alice', 's1', { value: 'a' })
    const second = await signIn(app, 'alice', 's2', { value: 'a' })
    const bob = await signIn(app, 'bob', 's1', { value: 'b' })
    assert.equal(await end(app, { value: 'a' }, ['s1'], await app.connect()), 0)
    assert.equal(await end(app, { value: 'A' }), 0)
    assert.equal(await end(app, { value: 'a' }, ['s3']), 0)
    assert.equal(await end(app, { value: 'a' }, ['s1', 's3']), 1)
    assert.deepEqual([await first(), await second(), await bob()], [false, true, true])
    assert.equal(await end(app, { value: 'a' }), 1)
    assert.deepEqual([await second(), await bob()], [false, true])
  })

  test('a name without qualifiers is the provider’s and ours, and nobody else’s', async () => {
    await using app = await startTestApp()
    const plain = await signIn(app, 'alice', 's1', { value: 'a' })
    const full = { value: 'b', nameQualifier: issuer, spNameQualifier: own, format: 'f' }
    const qualified = await signIn(app, 'bob', 's1', full)
    assert.equal(await end(app, { value: 'a', nameQualifier: 'elsewhere' }), 0)
    assert.equal(await end(app, { value: 'b', spNameQualifier: 'elsewhere' }), 0)
    assert.deepEqual([await plain(), await qualified()], [true, true])
    assert.equal(await end(app, { value: 'a', nameQualifier: issuer, spNameQualifier: own }), 1)
    assert.equal(await end(app, { value: 'b' }), 1)
  })

  test('the name goes on with a session that another organization’s sign-in carries over', async () => {
    await using app = await startTestApp()
    app.provider.people.set('alice', { issuer, nameId: { value: 'a' }, providerSession: 's1' })
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    await app.signIn(browser, 'alice')
    assert.equal(await end(app, { value: 'a' }, ['s1']), 1)
  })
})
