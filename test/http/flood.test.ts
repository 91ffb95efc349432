import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { sql } from 'kysely'
import { startTestApp, type TestApp } from '../_app.ts'

let app: TestApp
before(async () => (app = await startTestApp()))
after(() => app.close())
beforeEach(() => app.sallyport.services.quiet.clear())

async function countAudit(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from audit_events`.execute(
    app.sallyport.services.db,
  )
  return rows[0]!.n
}

describe('a flood of noise', () => {
  const rounds = 100
  const floods: Readonly<Record<string, (i: number) => Promise<Response>>> = {
    'cookies of sessions that never were': () => present(randomBytes(32).toString('base64url')),
    'cookies that are none': (i) => present(`nonsense-${i}`),
    'two cookies at once': (i) => {
      const { session } = app.sallyport.services.cookies
      return withCookie(`${session}=a${i}; ${session}=b${i}`)
    },
    'forms from other sites': (i) =>
      app
        .browser()
        .post('/logout', {}, { 'sec-fetch-site': `site-${i}`, origin: `https://${i}.example` }),
    'returns of sign-ins that never were': (i) =>
      app.browser().get(`/sso/${app.connectionId}/callback?state=nonsense-${i}&code=x`),
    'tokens in the wrong place': () =>
      app.browser().api('/login', {
        headers: { authorization: `Bearer ${randomBytes(32).toString('base64url')}` },
      }),
    'descriptions from strangers': (i) =>
      app.browser().api('/verify', { headers: { 'x-forwarded-uri': `/${i}` } }),
  }
  for (const [what, send] of Object.entries(floods)) {
    test(`DOS-08 ${rounds} ${what} write one row, or two`, async () => {
      const before = await countAudit()
      for (let i = 0; i < rounds; i++) assert.ok((await send(i)).status < 500)
      const written = (await countAudit()) - before
      assert.ok(written >= 1 && written <= 2, `${written} rows`)
    })
  }

  test('DOS-08 an ended session that comes again and again writes one row', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    const thief = browser.clone()
    await browser.post('/logout')
    const before = await countAudit()
    for (let i = 0; i < rounds; i++) await thief.clone().api('/me')
    assert.equal((await countAudit()) - before, 1)
  })

  test('DOS-08 after an hour it is told again', async () => {
    const { quiet } = app.sallyport.services
    assert.equal(quiet.ttl, 3_600_000)
    assert.equal(quiet.max, 10_000)
  })

  function present(value: string): Promise<Response> {
    return withCookie(`${app.sallyport.services.cookies.session}=${value}`)
  }
  function withCookie(cookie: string): Promise<Response> {
    return app.browser().api('/login', { headers: { cookie } })
  }
})

describe('cheap checks come first', () => {
  async function counting(
    work: () => Promise<Response>,
  ): Promise<{ opened: number; asked: number; status: number }> {
    const { sealer } = app.sallyport.services
    const original = sealer.open
    const before = app.provider.completed.length
    let opened = 0
    Object.assign(sealer, {
      open: (...args: Parameters<typeof original>) => (opened++, original(...args)),
    })
    try {
      const { status } = await work()
      return { opened, asked: app.provider.completed.length - before, status }
    } finally {
      Object.assign(sealer, { open: original })
    }
  }

  test('DOS-06 a state nobody knows asks no provider and opens nothing', async () => {
    const browser = app.browser()
    await app.begin(browser)
    const unknown = randomBytes(32).toString('base64url')
    for (const state of [unknown, 'nonsense', '', `${unknown}${unknown}`])
      assert.deepEqual(await counting(() => app.comeBack(browser, state)), {
        opened: 0,
        asked: 0,
        status: 400,
      })
  })

  test('DOS-06 another browser asks no provider and opens nothing', async () => {
    const state = await app.begin(app.browser())
    const foreign = app.browser()
    await app.begin(foreign)
    for (const browser of [foreign, app.browser()])
      assert.deepEqual(await counting(() => app.comeBack(browser, state)), {
        opened: 0,
        asked: 0,
        status: 400,
      })
  })

  test('DOS-06 another connection asks no provider and opens nothing', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const other = await app.connect({ name: 'Other' })
    assert.deepEqual(await counting(() => app.comeBack(browser, state, 'alice', other)), {
      opened: 0,
      asked: 0,
      status: 400,
    })
  })

  test('DOS-06 the right browser is let through, so the counting counts', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const { opened, asked, status } = await counting(() => app.comeBack(browser, state))
    assert.ok(opened > 0)
    assert.equal(asked, 1)
    assert.equal(status, 303)
  })
})
