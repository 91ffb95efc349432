import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import {
  amendSettings,
  findConnection,
  proposeSettings,
  readSettings,
  readVersion,
} from '../../src/accounts/connections.ts'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { readUpkeep } from '../../src/accounts/saml-upkeep.ts'
import { listDeliveries, setWebhook } from '../../src/accounts/webhooks.ts'
import {
  agreeToCertificate,
  followMetadata,
  keepSamlUp,
  refuseCertificate,
} from '../../src/flows/saml-upkeep.ts'
import { recurring } from '../../src/jobs.ts'
import { days, hours, later } from '../../src/lib/clock.ts'
import { makeKeyPair, readCertificate } from '../../src/providers/saml/certificate.ts'
import { describeKeys, newKey } from '../../src/providers/saml/keys.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { selfSigned } from '../_certificate.ts'
import { serve } from '../_servers.ts'
import { bare, idpMetadata, redirectBinding, signXml } from '../providers/saml/_metadata.ts'

const begins = new Date('2026-06-01T12:00:00Z')
const [a, b] = ['a', 'b'].map((name) => bare(selfSigned(name).cert)) as [string, string]
const print = (base64: string) => readCertificate(base64)!.fingerprint
const key = await newKey('Acme', 'current', begins)
const entityId = 'https://idp.example.com/saml'

/** An application with a SAML connection of Acme's, whose provider publishes what the test says. */
async function started(t: TestContext, settings: object = {}) {
  const app = await startTestApp()
  t.after(() => app.close())
  const world = {
    app,
    answers: { status: 200, body: idpMetadata({ certificates: [a] }) },
    asked: 0,
  }
  const port = await serve(t, (_request, response) => {
    world.asked++
    response.writeHead(world.answers.status, { 'content-type': 'application/octet-stream' })
    response.end(world.answers.body)
  })
  await makeOwner(app)
  const idp = { entityId, ssoUrl: 'https://idp.example.com/sso', certificates: [a] }
  const connectionId = await app.connect({
    kind: 'saml',
    name: 'Acme SAML',
    settings: { idp, keys: [key], metadataUrl: `http://127.0.0.1:${port}/metadata`, ...settings },
  })
  return Object.assign(world, { connectionId, port })
}

type World = Awaited<ReturnType<typeof started>>

async function makeOwner(app: TestApp): Promise<void> {
  const { db } = app.sallyport.services
  await app.signIn(app.browser(), 'olga')
  const { id: userId } = await db
    .selectFrom('users')
    .select('id')
    .where('name', '=', 'olga')
    .executeTakeFirstOrThrow()
  await db.updateTable('memberships').set({ role: 'admin' }).where('user_id', '=', userId).execute()
  const email = { userId, address: 'olga@home.example', primary: false }
  await addVerifiedEmail(db, email, app.clock.now())
}

const look = ({ app }: World) => keepSamlUp(app.sallyport.services, app.clock.now())

async function nextDay(world: World, after = days(1.2)): Promise<void> {
  world.app.clock.advance(after)
  await look(world)
}

async function accepted({ app, connectionId }: World): Promise<readonly string[]> {
  const { db, sealer } = app.sallyport.services
  const settings = (await readSettings(db, sealer, connectionId)) as {
    idp: { certificates: string[] }
  }
  return settings.idp.certificates
}

async function told({ app }: World): Promise<string[]> {
  const rows = await app.sallyport.services.db
    .selectFrom('audit_events')
    .select('action')
    .where('action', 'like', 'saml.%')
    .orderBy('id')
    .execute()
  return rows.map(({ action }) => action)
}

const mailed = async ({ app }: World) =>
  (await app.mails()).filter(({ mail }) => /certificate|metadata/.test(mail))

suite('SAML connections are looked after', () => {
  test('SML-26 a new certificate waits for an administrator, who is told once, and is accepted beside the old', async (t) => {
    const world = await started(t)
    const { app, connectionId } = world
    await look(world)
    assert.deepEqual(await told(world), [])
    world.answers.body = idpMetadata({ certificates: [a, b] })
    await nextDay(world)
    await nextDay(world)
    assert.deepEqual(await accepted(world), [a])
    assert.deepEqual(await told(world), ['saml.certificate_waiting'])
    const mails = await mailed(world)
    assert.deepEqual(
      mails.map(({ mail, to, data }) => [mail, to, data['fingerprint']]),
      [['certificate_waiting', 'olga@home.example', print(b)]],
    )
    const { services } = app.sallyport
    const connection = (await findConnection(services.db, connectionId))!
    const now = app.clock.now()
    await assert.rejects(agreeToCertificate(services, connection, `${print(a)}x`, {}, now), {
      code: 'not_found',
    })
    await agreeToCertificate(services, connection, print(b), {}, now)
    assert.deepEqual(await accepted(world), [a, b])
    assert.equal(
      (await findConnection(services.db, connectionId))?.configVersion,
      connection.configVersion,
    )
    assert.equal((await told(world)).at(-1), 'saml.certificate_taken')
  })

  test('SML-29 the old certificate goes a week after the provider has stopped publishing it', async (t) => {
    const world = await started(t)
    const { app, connectionId } = world
    const { db } = app.sallyport.services
    await followMetadata(
      app.sallyport.services,
      (await findConnection(db, connectionId))!,
      true,
      {},
      app.clock.now(),
    )
    world.answers.body = idpMetadata({ certificates: [a, b] })
    await look(world)
    assert.deepEqual(await accepted(world), [a, b], 'taken from the address, as agreed beforehand')
    world.answers.body = idpMetadata({ certificates: [b] })
    await nextDay(world)
    await nextDay(world, days(6))
    assert.deepEqual(await accepted(world), [a, b])
    await nextDay(world, days(2))
    assert.deepEqual(await accepted(world), [b])
    world.answers.body = idpMetadata({ certificates: [a, b] })
    await nextDay(world)
    assert.deepEqual(await accepted(world), [b], 'an old document does not bring back an old key')
    assert.deepEqual(await told(world), [
      'saml.follow_changed',
      'saml.certificate_taken',
      'saml.certificate_dropped',
      'saml.certificate_waiting',
    ])
  })

  test('SML-26 another address to sign in at is told once and not used, until it is agreed beforehand', async (t) => {
    const world = await started(t)
    const { services } = world.app.sallyport
    const { connectionId } = world
    const ssoUrl = async () =>
      (
        (await readSettings(services.db, services.sealer, connectionId)) as {
          idp: { ssoUrl: string }
        }
      ).idp.ssoUrl
    const moved = `<md:SingleSignOnService Binding="${redirectBinding}" Location="https://new.example.com/sso"/>`
    world.answers.body = idpMetadata({ certificates: [a], sso: moved })
    await look(world)
    await nextDay(world)
    assert.equal(await ssoUrl(), 'https://idp.example.com/sso')
    assert.deepEqual(await told(world), ['saml.metadata_refused'])
    const { problem } = await readUpkeep(services.db, connectionId)
    assert.match(problem!, /sign in at https:\/\/new\.example\.com\/sso/)
    const connection = (await findConnection(services.db, connectionId))!
    await followMetadata(services, connection, true, {}, world.app.clock.now())
    await nextDay(world)
    assert.equal(await ssoUrl(), 'https://new.example.com/sso')
    assert.equal((await told(world)).at(-1), 'saml.address_taken')
    assert.equal((await readUpkeep(services.db, connectionId)).problem, null)
  })

  test('SML-29 one that an administrator takes away is not taken again by itself, and one always stays', async (t) => {
    const world = await started(t)
    const { services } = world.app.sallyport
    const connection = (await findConnection(services.db, world.connectionId))!
    const now = world.app.clock.now()
    await followMetadata(services, connection, true, {}, now)
    world.answers.body = idpMetadata({ certificates: [a, b] })
    await look(world)
    await refuseCertificate(services, connection, print(b), {}, now)
    await nextDay(world)
    assert.deepEqual(await accepted(world), [a])
    const only = refuseCertificate(services, connection, print(a), {}, now)
    await assert.rejects(only, { code: 'config_rejected' })
    const again = refuseCertificate(services, connection, print(b), {}, now)
    await assert.rejects(again, { code: 'not_found' })
    const settings = (await readSettings(
      services.db,
      services.sealer,
      world.connectionId,
    )) as object
    const elsewhere = { ...settings, idp: { entityId: 'https://other.example', certificates: [a] } }
    const saved = { connectionId: world.connectionId, savedBy: null, at: now }
    const version = await proposeSettings(services.db, services.sealer, {
      ...saved,
      settings: elsewhere,
    })
    await agreeToCertificate(services, connection, print(b), {}, now)
    assert.deepEqual(await accepted(world), [a, b])
    await refuseCertificate(services, connection, print(a), {}, now)
    assert.deepEqual(await accepted(world), [b])
    const { db, sealer } = services
    assert.deepEqual(await readVersion(db, sealer, world.connectionId, version), elsewhere)
  })

  test('eleven certificates are never accepted, whoever says so', async (t) => {
    const world = await started(t)
    const { services } = world.app.sallyport
    await look(world)
    world.answers.body = idpMetadata({ certificates: [a, b] })
    await nextDay(world)
    const ten = Array.from({ length: 10 }, (_, i) => bare(selfSigned(`ten${i}`).cert))
    await setCertificates(world, ten)
    const connection = (await findConnection(services.db, world.connectionId))!
    const eleventh = agreeToCertificate(services, connection, print(b), {}, world.app.clock.now())
    await assert.rejects(eleventh, { code: 'config_rejected' })
    assert.deepEqual(await accepted(world), ten)
  })

  test('SML-26 metadata that a known key has signed is taken at its word', async (t) => {
    const pair = await makeKeyPair('idp', begins)
    const known = bare(pair.certificate)
    const idp = { entityId, ssoUrl: 'https://idp.example.com/sso', certificates: [known] }
    const world = await started(t, { idp })
    const both = idpMetadata({ certificates: [known, b] })
    world.answers.body = signXml(both, { key: pair.privateKey, cert: pair.certificate })
    await look(world)
    assert.deepEqual(await accepted(world), [known, b])
    world.answers.body = signXml(idpMetadata({ certificates: [known, b, a] }), selfSignedRsa)
    await nextDay(world)
    assert.deepEqual(await accepted(world), [known, b], 'signed by nobody who is known')
  })

  test('a certificate is brought into every version of the same provider, and no sign-in under way ends', async (t) => {
    const world = await started(t)
    const { app, connectionId } = world
    const { services } = app.sallyport
    const browser = app.browser()
    const state = await app.begin(browser, { connectionId })
    const settings = (await readSettings(services.db, services.sealer, connectionId)) as object
    const elsewhere = {
      ...settings,
      idp: {
        entityId: 'https://other.example',
        ssoUrl: 'https://other.example/sso',
        certificates: [a],
      },
    }
    const saved = { connectionId, savedBy: null, at: app.clock.now() }
    await proposeSettings(services.db, services.sealer, { ...saved, settings })
    await proposeSettings(services.db, services.sealer, { ...saved, settings: elsewhere })
    const connection = (await findConnection(services.db, connectionId))!
    await followMetadata(services, connection, true, {}, app.clock.now())
    world.answers.body = idpMetadata({ certificates: [a, b] })
    await look(world)
    const certificates = async (version: number): Promise<readonly string[]> =>
      ((await readVersion(services.db, services.sealer, connectionId, version)) as typeof elsewhere)
        .idp.certificates
    assert.deepEqual(await certificates(2), [a, b])
    assert.deepEqual(await certificates(3), [a])
    assert.equal((await app.comeBack(browser, state, 'alice', connectionId)).status, 303)
  })

  test('SML-26 another entity ID, or no metadata at all, changes nothing and is told once', async (t) => {
    const world = await started(t)
    const { app, connectionId } = world
    world.answers.body = idpMetadata({ entityId: 'https://evil.example', certificates: [b] })
    await look(world)
    await nextDay(world)
    assert.deepEqual(await accepted(world), [a])
    assert.deepEqual(await told(world), ['saml.metadata_refused'])
    assert.deepEqual(
      (await mailed(world)).map(({ mail }) => mail),
      ['metadata_refused'],
    )
    const { db } = app.sallyport.services
    assert.match((await readUpkeep(db, connectionId)).problem!, /does not describe/)
    world.answers = { status: 200, body: idpMetadata({ certificates: [a] }) }
    await nextDay(world)
    assert.equal((await readUpkeep(db, connectionId)).problem, null)
    world.answers.status = 500
    await nextDay(world)
    assert.deepEqual(await told(world), ['saml.metadata_refused', 'saml.metadata_refused'])
    assert.equal((await mailed(world)).length, 1, 'being away for a while is no news')
  })

  test('it is asked about once a day, a little later or sooner, and an hour after it was away', async (t) => {
    const world = await started(t)
    await look(world)
    assert.equal(world.asked, 1)
    await nextDay(world, hours(21))
    assert.equal(world.asked, 1)
    await nextDay(world, hours(6))
    assert.equal(world.asked, 2)
    world.answers.status = 503
    await nextDay(world)
    await nextDay(world, hours(1.2))
    assert.equal(world.asked, 4)
    assert.ok(recurring.some(({ name }) => name === 'keep_saml_up'))
  })

  test('FET-01 metadata behind an address that nobody may ask is not asked for', async (t) => {
    const world = await started(t, { metadataUrl: 'https://10.0.0.1/metadata' })
    await look(world)
    assert.equal(world.asked, 0)
    assert.match(
      (await readUpkeep(world.app.sallyport.services.db, world.connectionId)).problem!,
      /cannot be fetched/,
    )
  })

  test('administrators are warned 30, 7 and 1 days before the last certificate runs out, once each', async (t) => {
    const world = await started(t)
    const { app } = world
    const { db, sealer } = app.sallyport.services
    const by = { organizationId: app.acme.id, actorId: app.acme.id, requestId: 'r' }
    await setWebhook(db, sealer, { ...by, url: 'https://hooks.example/' }, app.clock.now())
    const ends = later(app.clock.now(), days(40))
    const short = bare(selfSigned('short', ends).cert)
    await setCertificates(world, [short])
    world.answers.body = idpMetadata({ certificates: [short] })
    const warned = async () => (await mailed(world)).map(({ data }) => data['days'])
    for (let day = 0; day < 39.5; day += 0.5) {
      await look(world)
      app.clock.advance(days(0.5))
      if (day === 9) assert.deepEqual(await warned(), [])
      if (day === 20) assert.deepEqual(await warned(), [30])
    }
    assert.deepEqual(await warned(), [30, 7, 1])
    const three = (what: string) => Array.from({ length: 3 }, () => what)
    assert.deepEqual(await told(world), three('saml.certificate_expiring'))
    const posted = await listDeliveries(db, app.acme.id)
    assert.deepEqual(
      posted.map(({ event }) => event),
      three('certificate.expiring'),
    )
  })

  test('who is looked after late is warned once, of what is nearest; a successor needs no warning', async (t) => {
    const world = await started(t)
    const short = bare(selfSigned('short', later(world.app.clock.now(), days(3))).cert)
    world.answers.body = idpMetadata({ certificates: [short] })
    await setCertificates(world, [short, b])
    await look(world)
    assert.deepEqual(await mailed(world), [])
    await setCertificates(world, [short])
    await nextDay(world)
    assert.deepEqual(
      (await mailed(world)).map(({ data }) => data['days']),
      [7],
    )
  })

  test('our own certificate is warned of too, and a connection without a key gets one', async (t) => {
    const world = await started(t, { keys: [] })
    const { app, connectionId } = world
    await look(world)
    const { db, sealer } = app.sallyport.services
    const [first, ...more] = describeKeys(await readSettings(db, sealer, connectionId))
    assert.equal(first?.state, 'current')
    assert.deepEqual(more, [])
    app.clock.advance(first.notAfter.getTime() - app.clock.now().getTime() - days(5))
    await look(world)
    const ours = (await mailed(world)).filter(({ data }) => data['whose'] === 'ours')
    assert.deepEqual(
      ours.map(({ data }) => data['days']),
      [7],
    )
  })
})

const selfSignedRsa = await makeKeyPair('stranger', begins).then(({ privateKey, certificate }) => ({
  key: privateKey,
  cert: certificate,
}))

async function setCertificates(
  { app, connectionId }: World,
  certificates: string[],
): Promise<void> {
  const { db, sealer } = app.sallyport.services
  await amendSettings(db, sealer, connectionId, (settings) => ({
    ...(settings as object),
    idp: { ...(settings as { idp: object }).idp, certificates },
  }))
}
