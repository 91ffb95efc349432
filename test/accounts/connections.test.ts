import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  amendSettings,
  findConnection,
  findConnectionOf,
  listConnections,
  listVersions,
  proposeSettings,
  readSettings,
  readVersion,
  saveSettings,
  setConnectionState,
  useVersion,
} from '../../src/accounts/connections.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { changeSettings } from '../../src/sessions/revoke.ts'
import { startTestApp } from '../_app.ts'

describe('the settings of a connection', () => {
  it('S0-04 every change is a version of its own; what a proof was given under says which', async () => {
    await using app = await startTestApp()
    const { db, sealer } = app.sallyport.services
    const connectionId = await app.connect({ settings: { a: 1 }, state: 'draft' })
    const saved = { connectionId, settings: { a: 2 }, savedBy: null, at: app.clock.now() }
    assert.equal(await saveSettings(db, sealer, saved), 2)
    assert.equal((await findConnection(db, connectionId))?.configVersion, 2)
    assert.deepEqual(await readSettings(db, sealer, connectionId), { a: 2 })
    assert.deepEqual(await readVersion(db, sealer, connectionId, 1), { a: 1 })
    const versions = await listVersions(db, connectionId)
    assert.deepEqual(
      versions.map(({ version }) => version),
      [2, 1],
    )
    await assert.rejects(readVersion(db, sealer, connectionId, 3), { code: 'not_found' })
  })

  it('proposed settings are not in use until they are put to use', async () => {
    await using app = await startTestApp()
    const { db, sealer } = app.sallyport.services
    const connectionId = await app.connect({ settings: { a: 1 } })
    const saved = { connectionId, savedBy: null, at: app.clock.now() }
    assert.equal(await proposeSettings(db, sealer, { ...saved, settings: { a: 2 } }), 2)
    assert.deepEqual(await readSettings(db, sealer, connectionId), { a: 1 })
    assert.equal((await findConnection(db, connectionId))?.configVersion, 1)
    // Meanwhile something else is saved: it does not take the number of what was proposed.
    assert.equal(await saveSettings(db, sealer, { ...saved, settings: { a: 3 } }), 3)
    await useVersion(db, sealer, { connectionId, version: 2 })
    assert.deepEqual(await readSettings(db, sealer, connectionId), { a: 2 })
    assert.equal((await findConnection(db, connectionId))?.state, 'active')
  })

  it('what belongs to the connection changes in every version, and makes no new one', async () => {
    await using app = await startTestApp()
    const { db, sealer } = app.sallyport.services
    const connectionId = await app.connect({ settings: { a: 1 } })
    const saved = { connectionId, savedBy: null, at: app.clock.now() }
    await saveSettings(db, sealer, { ...saved, settings: { a: 2 } })
    await proposeSettings(db, sealer, { ...saved, settings: { a: 3 } })
    const change = (settings: unknown) => ({ ...(settings as object), key: 'k' })
    assert.equal(await amendSettings(db, sealer, connectionId, change), true)
    assert.equal(await amendSettings(db, sealer, connectionId, change), false)
    assert.deepEqual(await readSettings(db, sealer, connectionId), { a: 2, key: 'k' })
    assert.deepEqual(await readVersion(db, sealer, connectionId, 2), { a: 2, key: 'k' })
    assert.deepEqual(await readVersion(db, sealer, connectionId, 3), { a: 3, key: 'k' })
    assert.equal((await findConnection(db, connectionId))?.configVersion, 2)
  })

  it('ADM-02 new settings make a tested connection a draft again', async () => {
    await using app = await startTestApp()
    const { db, sealer } = app.sallyport.services
    const connectionId = await app.connect({ settings: {}, state: 'draft' })
    await setConnectionState(db, connectionId, 'tested')
    const at = app.clock.now()
    await saveSettings(db, sealer, { connectionId, settings: { a: 2 }, savedBy: null, at })
    assert.equal((await findConnection(db, connectionId))?.state, 'draft')
  })

  it('SSO B15 what a session proves under earlier settings counts no more', async () => {
    await using app = await startTestApp()
    const { services } = app.sallyport
    const browser = app.browser()
    await app.signIn(browser)
    assert.equal((await browser.get('/account')).status, 200)
    const saved = { settings: {}, savedBy: null, at: app.clock.now() }
    await changeSettings(services, { connectionId: app.connectionId, ...saved })
    assert.equal((await browser.get('/account')).status, 303)
  })

  it('ADM-01 another organization’s connection is as if it did not exist', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const other = await createOrganization(db, { slug: 'evil', name: 'Evil' }, app.clock.now())
    assert.equal(await findConnectionOf(db, other.id, app.connectionId), undefined)
    assert.equal((await findConnectionOf(db, app.acme.id, app.connectionId))?.name, 'Acme SSO')
    assert.deepEqual(await listConnections(db, other.id), [])
    const all = await listConnections(db, app.acme.id)
    assert.deepEqual(
      all.map(({ id }) => id),
      [app.connectionId],
    )
  })
})
