import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createOrganization, setRole } from '../../src/accounts/organizations.ts'
import { findAttempt, listAttempts, recordAttempt } from '../../src/flows/attempts.ts'
import { explain, isExplained } from '../../src/flows/explanations.ts'
import { newId } from '../../src/lib/ids.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'

async function administrator(app: TestApp): Promise<Browser> {
  const browser = app.browser()
  await app.signIn(browser, 'root')
  const { db } = app.sallyport.services
  const { user_id: userId } = await db
    .selectFrom('identities')
    .select('user_id')
    .where('subject', '=', 'root')
    .executeTakeFirstOrThrow()
  await setRole(db, { organizationId: app.acme.id, userId, role: 'admin' })
  // Nodes have remembered the role until now.
  await app.signIn(browser, 'root')
  return browser
}

function referenceOn(page: string): string {
  return /Reference: <code>([^<]+)</.exec(page)?.[1] ?? assert.fail('no reference')
}

describe('why a sign-in failed', () => {
  it('S0-22 the reference on the error page finds it, and says what to do', async () => {
    await using app = await startTestApp()
    const admin = await administrator(app)
    const browser = app.browser()
    const state = await app.begin(browser)
    app.provider.refuseNext('sso_failed', 'id_token_invalid: aud')
    const page = await (await app.comeBack(browser, state, 'bob')).text()
    assert.doesNotMatch(page, /aud/)
    const reference = referenceOn(page)

    const found = await admin.get(`/organizations/acme/sign-ins?reference=${reference}`)
    assert.equal(found.headers.get('location'), `/organizations/acme/sign-ins/${reference}`)
    const told = await (await admin.get(`/organizations/acme/sign-ins/${reference}`)).text()
    assert.match(told, /was made for another application/)
    assert.match(told, /Compare the client id/)
    assert.match(told, /<code>id_token_invalid: aud<\/code>/)
    assert.match(told, /Sent to/)
    assert.ok(!told.includes(state), 'the handle is a secret')
  })

  it('PIP-17 S0-22 whoever comes back to it later is told the same reference', async () => {
    await using app = await startTestApp()
    const browser = app.browser()
    const state = await app.begin(browser)
    app.provider.refuseNext('sso_failed', 'oidc_iss_mismatch')
    const first = referenceOn(await (await app.comeBack(browser, state)).text())
    const second = referenceOn(await (await app.comeBack(browser, state)).text())
    assert.equal(second, first)
  })

  it('a sign-in that worked is there too, with the names of the claims and not what they say', async () => {
    await using app = await startTestApp()
    const admin = await administrator(app)
    app.clock.advance(1000)
    await app.signIn(app.browser(), 'carol')
    const { db } = app.sallyport.services
    const [attempt] = await listAttempts(db, app.acme.id, { outcome: 'ok' })
    assert.equal(attempt?.person?.name, 'carol')
    assert.match(JSON.stringify(attempt?.trace), /Claims: email, name\./)
    assert.doesNotMatch(JSON.stringify(attempt?.trace), /carol/)
    assert.match(
      await (await admin.get('/organizations/acme/sign-ins?outcome=all')).text(),
      /Sign-in of <bdi>carol<\/bdi>/,
    )
    assert.match(await (await admin.get('/organizations/acme/sign-ins')).text(), /Nothing was/)
  })

  it('S0-02 a sign-in that took too long is told of too', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const browser = app.browser()
    const state = await app.begin(browser)
    app.clock.advance(11 * 60_000)
    const page = await (await app.comeBack(browser, state)).text()
    const attempt = await findAttempt(db, app.acme.id, referenceOn(page))
    assert.equal(attempt?.reason, 'expired')
  })

  it('PIP-02 nobody fills the table by coming back again and again, and nothing is told of a handle nobody was given', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const state = await app.begin(app.browser())
    for (let i = 0; i < 12; i++) await app.comeBack(app.browser(), state)
    assert.equal((await listAttempts(db, app.acme.id)).length, 10)
    await app.comeBack(app.browser(), 'A'.repeat(43))
    assert.equal((await listAttempts(db, app.acme.id)).length, 10)
  })

  it('ORG-01 another organization’s attempts are as if they did not exist', async () => {
    await using app = await startTestApp()
    const { db, clock } = app.sallyport.services
    const admin = await administrator(app)
    const other = await createOrganization(db, { slug: 'evil', name: 'Evil' }, clock.now())
    const connectionId = await app.connect({ organizationId: other.id })
    const theirs = { organizationId: other.id, connectionId, flowId: newId(), trace: [] }
    const attempt = {
      id: 'req_theirs',
      kind: 'login',
      outcome: 'refused',
      at: clock.now(),
    } as const
    await recordAttempt(db, { ...theirs, ...attempt, reason: 'expired' })
    assert.equal((await admin.get('/organizations/acme/sign-ins/req_theirs')).status, 404)
    assert.doesNotMatch(
      await (await admin.get('/organizations/acme/sign-ins')).text(),
      /req_theirs/,
    )
  })

  it('members who are no administrators do not see them', async () => {
    await using app = await startTestApp()
    const member = app.browser()
    await app.signIn(member, 'bob')
    assert.equal((await member.get('/organizations/acme/sign-ins')).status, 403)
  })

  it('there is a page after a full one', async () => {
    await using app = await startTestApp()
    const admin = await administrator(app)
    const { db, clock } = app.sallyport.services
    for (let i = 0; i < 60; i++)
      await recordAttempt(db, {
        id: `req_${String(i).padStart(2, '0')}`,
        kind: 'login',
        outcome: 'refused',
        reason: 'expired',
        organizationId: app.acme.id,
        connectionId: app.connectionId,
        flowId: newId(),
        trace: [],
        at: clock.now(),
      })
    const first = await (await admin.get('/organizations/acme/sign-ins')).text()
    const next = /href="([^"]+)">Earlier ones/.exec(first)?.[1]?.replaceAll('&amp;', '&')
    assert.match(first, /req_59/)
    assert.doesNotMatch(first, /req_09/)
    const second = await (await admin.get(next ?? assert.fail('no way on'))).text()
    assert.match(second, /req_09/)
    assert.doesNotMatch(second, /req_10/)
  })
})

const providers = join(import.meta.dirname, '../../src/providers')

/** Reasons that stand in the source as they are, of everything that takes part in a sign-in through a connection. */
function reasonsIn(folder: string): string[] {
  const elsewhere =
    /passkeys|mailbox|presets|check|config|metadata|index|prepare|again|transmitter|security-event/
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !elsewhere.test(file))
    .flatMap((file) => {
      const source = readFileSync(join(folder, file), 'utf8')
      const plain = source.matchAll(/(?:refused|unavailable|reason:)[( ]'([^']+)'/g)
      const tokens = source.matchAll(/invalid\('([^']+)'\)/g)
      return [
        ...[...plain].map(([, reason]) => reason!),
        ...(file.includes('id-token') ? [...tokens].map(([, r]) => `id_token_invalid: ${r!}`) : []),
      ]
    })
}

describe('the table of explanations', () => {
  const composed = ['discovery', 'jwks', 'token', 'userinfo'].flatMap((asking) =>
    [
      'egress_timeout',
      'egress_blocked',
      'status 503',
      'status 404, not JSON',
      'malformed JSON',
    ].map((fault) => `${asking}: ${fault}`),
  )

  it('knows every reason that a provider can give', () => {
    const reasons = [...new Set([...reasonsIn(providers), ...composed])]
    assert.ok(reasons.length > 40, `only ${reasons.length} were found`)
    assert.deepEqual(
      reasons.filter((reason) => !isExplained(reason)),
      [],
    )
  })

  it('says of an unknown reason what can be said', () => {
    assert.match(explain('what is this').mend, /reference/)
    assert.ok(!isExplained('what is this'))
    assert.ok(!isExplained('constructor'))
  })

  it('goes from the whole reason to its beginning', () => {
    assert.match(explain('token: invalid_client').mend, /secret/)
    assert.match(explain('token: something_new').what, /exchange the code/)
    assert.match(explain('token: egress_timeout').what, /did not answer/)
    assert.match(explain('provider_error: access_denied: no').what, /with an error/)
    assert.match(explain('provider_error: server_error: oops').what, /cannot work/)
  })
})
