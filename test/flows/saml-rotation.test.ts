import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { createPublicKey } from 'node:crypto'
import { findConnection, readSettings } from '../../src/accounts/connections.ts'
import { createSallyport } from '../../src/app.ts'
import { stepSamlKeys } from '../../src/flows/saml-keys.ts'
import { readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { fromRedirect } from '../../src/providers/saml/redirect-binding.ts'
import { keysIn } from '../../src/providers/saml/keys.ts'
import { amendConnection } from '../../src/sessions/revoke.ts'
import { testSettings } from '../_app.ts'
import { Browser, refreshOf } from '../_browser.ts'
import { rims } from '../_rims.ts'
import { encoded, keys, settings } from '../providers/saml/_provider.ts'
import { startSamlApp, type SamlApp } from './_saml.ts'

const both = [keys.idp.certificate, keys.next.certificate]

async function started(t: TestContext): Promise<SamlApp> {
  const world = await startSamlApp({}, settings({}, { certificates: both }))
  t.after(() => world.app.close())
  return world
}

function accept({ app, connectionId }: SamlApp, certificates: readonly string[]): Promise<boolean> {
  const change = (stored: unknown) => {
    const { idp } = stored as { idp: object }
    return { ...(stored as object), idp: { ...idp, certificates } }
  }
  return amendConnection(app.sallyport.services, connectionId, change, { after: async () => {} })
}

/** A browser at another node of the same Sallyport. */
async function elsewhere(t: TestContext, { app }: SamlApp): Promise<Browser> {
  const rim = await rims.memory()
  const node = await createSallyport({
    config: readConfig(testSettings(app.origin)),
    clock: app.clock,
    database: app.line.connection,
    log: createLog('silent'),
    jobs: false,
  })
  await rim.serve(node)
  t.after(async () => {
    await rim.close()
    await node.close()
  })
  return new Browser(app.origin, rim.send)
}

suite('keys that change while people sign in', () => {
  test('SML-29 a certificate that is taken away is refused at once, on every node', async (t) => {
    const world = await started(t)
    const there = await elsewhere(t, world)
    const here = world.app.browser()
    assert.equal((await world.signIn(here)).status, 303)
    assert.equal((await world.signIn(there)).status, 303)
    await accept(world, [keys.next.certificate])
    assert.equal((await world.signIn(world.app.browser())).status, 400)
    assert.equal((await world.signIn(there)).status, 400)
    assert.equal((await here.api('/me')).status, 200, 'whoever is signed in stays so')
    await accept(world, both)
    assert.equal((await world.signIn(there)).status, 303)
  })

  test('SML-29 a sign-in that began before is judged by the certificates of its return', async (t) => {
    const world = await started(t)
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    const form = { SAMLResponse: encoded(world.respond(requestId)), RelayState: handle }
    await accept(world, [keys.next.certificate])
    assert.equal((await world.post(browser, form)).status, 400)
  })

  test('our own key changes between a request and its answer, and nobody notices', async (t) => {
    const world = await started(t)
    const { services } = world.app.sallyport
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    const connection = (await findConnection(services.db, world.connectionId))!
    const now = world.app.clock.now()
    await stepSamlKeys(services, connection, 'prepare', {}, now)
    await stepSamlKeys(services, connection, 'switch', {}, now)
    const form = { SAMLResponse: encoded(world.respond(requestId)), RelayState: handle }
    const posted = await world.post(browser, form)
    const back = await browser.get(posted.headers.get('location')!, {
      'sec-fetch-site': 'cross-site',
    })
    assert.equal(back.status, 303)
    assert.equal((await browser.api('/me')).status, 200)

    const stored = await readSettings(services.db, services.sealer, world.connectionId)
    const { certificate } = keysIn(stored).find(({ state }) => state === 'current')!
    const left = await world.app.browser().post(`/sso/${world.connectionId}/start`, {})
    const { name } = fromRedirect(refreshOf(left).search, [createPublicKey(certificate)])
    assert.equal(name, 'SAMLRequest', 'signed with the new key')
  })
})
