import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { AppError, errors, type ErrorCode } from '../../src/lib/errors.ts'
import { errorPage } from '../../src/web/error.ts'
import { iconPath } from '../../src/web/logo.ts'
import { stylesheetPath } from '../../src/web/style.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { readPage } from './_page.ts'

const sessionCookie = '__Host-Http-sallyport'
const hour = 3_600_000
const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** How to come to each page, in an application where Alice and Bob have accounts. */
interface Visit {
  readonly status?: number
  readonly title: string
  /** @default the title */
  readonly heading?: string
  readonly go: (app: TestApp, browser: Browser) => Promise<Response>
}

const visits: Readonly<Record<string, Visit>> = {
  'choosing an organization': {
    title: 'Sign in',
    go: (_app, browser) => browser.get('/login?other=1'),
  },
  'an organization’s sign-in': {
    title: 'Sign in to Acme',
    heading: 'Sign in',
    go: (_app, browser) => browser.get('/login/acme'),
  },
  'coming back': {
    title: 'Sign in to Acme',
    heading: 'Welcome back',
    async go(app, browser) {
      await app.signIn(browser)
      await browser.post('/logout')
      return browser.get('/login')
    },
  },
  'the way out': {
    title: 'To Acme',
    heading: 'Taking you to Acme',
    go: (app, browser) => browser.post(`/sso/${app.connectionId}/start`),
  },
  'switching account': {
    title: 'Switch account?',
    async go(app, browser) {
      await app.signIn(browser, 'bob')
      const asked = await app.signIn(browser, 'alice')
      return browser.get(asked.headers.get('location')!)
    },
  },
  'one’s account': {
    title: 'Your account',
    async go(app, browser) {
      await app.signIn(browser)
      return browser.get('/account')
    },
  },
  'signing out': {
    title: 'Sign out',
    heading: 'Sign out?',
    async go(app, browser) {
      await app.signIn(browser)
      return browser.get('/logout')
    },
  },
  'signed out': {
    title: 'Signed out',
    heading: 'You are signed out',
    go: (_app, browser) => browser.get('/logout/done'),
  },
  'nothing there': {
    status: 404,
    title: 'There is nothing here',
    go: (_app, browser) => browser.get('/nowhere'),
  },
  'an unknown organization': {
    status: 404,
    title: 'We do not know that organization',
    go: (_app, browser) => browser.get('/login/nobody'),
  },
  'an unknown sign-in': {
    status: 400,
    title: 'We do not know this sign-in',
    go: (app, browser) => browser.get(`/sso/${app.connectionId}/callback?code=x&state=x`),
  },
  'a form from another site': {
    status: 403,
    title: 'That request came from another site',
    go: (_app, browser) => browser.post('/logout', {}, { 'sec-fetch-site': 'cross-site' }),
  },
}

describe('pages', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
    for (const subject of ['alice', 'bob']) await app.signIn(app.browser(), subject)
  })
  after(() => app.close())

  for (const [name, { status = 200, title, heading = title, go }] of Object.entries(visits)) {
    it(`S3-25b ${name} has its title, one heading and a name on everything`, async () => {
      const page = await readPage(await go(app, app.browser()))
      assert.deepEqual([page.status, page.title, page.heading], [status, title, heading])
    })

    it(`UIX-08 ${name} loads nothing from anybody else`, async () => {
      const { html } = await readPage(await go(app, app.browser()))
      const loaded = [...html.matchAll(/<(?:link|img|source|use)\b[^>]*?(?:href|src)="([^"]*)"/g)]
      assert.deepEqual(
        loaded.map(([, from]) => from).toSorted(),
        [iconPath, stylesheetPath].toSorted(),
      )
    })

    it(`UIX-05 ${name} links within, or to the provider over http`, async () => {
      const { links, html } = await readPage(await go(app, app.browser()))
      for (const link of links) assert.match(link, /^\/(?!\/)|^https:\/\/idp\.example\/authorize\?/)
      assert.doesNotMatch(html, /target=/)
    })
  }

  it('the stylesheet and the icon are kept for ever under an address of their content', async () => {
    for (const [path, type] of [
      [stylesheetPath, 'text/css; charset=utf-8'],
      [iconPath, 'image/svg+xml'],
    ] as const) {
      const response = await app.browser().get(path)
      assert.equal(response.headers.get('content-type'), type)
      assert.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable')
      assert.match(path, /^\/assets\/[\w-]{10}\.(css|svg)$/)
      assert.ok((await response.text()).length < 10_000)
    }
  })

  it('our forms are sent with their origin: the page’s referrer policy is not `no-referrer`', async () => {
    const { html } = await readPage(await app.browser().get('/login/acme'))
    assert.match(html, /<meta name="referrer" content="same-origin" \/>/)
  })
})

describe('what pages say', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
  })
  after(() => app.close())

  it('a session that ran out is told of, also after the redirect that dropped its cookie', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    app.clock.advance(13 * hour)
    const led = await browser.get('/account')
    assert.equal(led.status, 303)
    assert.equal(browser.cookies.has(sessionCookie), false)
    const page = await readPage(await browser.get(led.headers.get('location')!))
    assert.equal(page.heading, 'Welcome back')
    assert.match(page.text, /Your session has expired/)
  })

  it('whoever signed out is welcomed back and not told that anything expired', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    await browser.post('/logout')
    app.clock.advance(13 * hour)
    const page = await readPage(await browser.get('/login'))
    assert.equal(page.heading, 'Welcome back')
    assert.doesNotMatch(page.text, /expired/)
  })

  it('the last person is shown by initials, and forgotten when it was somebody else', async () => {
    const browser = app.browser()
    app.provider.people.set('carol', { claims: { name: 'Carol Clark', email: 'c@acme.example' } })
    await app.signIn(browser, 'carol')
    await browser.post('/logout')
    const known = await readPage(await browser.get('/login?return_to=%2Fdeep'))
    assert.match(known.text, /Last signed in here: C\. C\. Not you\?/)
    assert.doesNotMatch(known.html, /Carol|c@acme/)
    const forgotten = await browser.post('/login/forget', { return_to: '/deep' })
    assert.equal(forgotten.headers.get('location'), '/login?return_to=%2Fdeep')
    assert.equal(browser.cookies.size, 0)
    const page = await readPage(await browser.get('/login'))
    assert.equal(page.heading, 'Sign in')
    assert.doesNotMatch(page.text, /Not you/)
  })

  it('the sign-in page keeps where to return to, on every way', async () => {
    const chooser = await readPage(await app.browser().get('/login?other=1&return_to=%2Fdeep'))
    assert.match(chooser.html, /name="return_to" value="\/deep"/)
    const page = await readPage(await app.browser().get('/login/acme?return_to=%2Fdeep'))
    assert.match(page.html, /name="return_to" value="\/deep"/)
    assert.ok(page.links.includes('/login?other=1&return_to=%2Fdeep'))
  })

  it('the account page lists sessions with device, address and times, and marks this one', async () => {
    const [here, there] = [app.browser(), app.browser()]
    await app.signIn(there, 'dora')
    app.clock.advance(3 * 60_000)
    await app.signIn(here, 'dora')
    const { html, text } = await readPage(await here.get('/account'))
    const now = app.clock.now()
    assert.equal(text.match(/This browser Network address 192/g)?.length, 1)
    assert.match(text, /192\.0\.2\.7 · Last used just now\./)
    assert.match(text, /192\.0\.2\.7 · Last used 3 minutes ago\./)
    assert.ok(html.includes(`<time datetime="${now.toISOString()}">`))
    assert.match(text, /Signed in on 2 Jun 2026, \d\d:\d\d UTC/)
    assert.equal(html.match(/action="\/account\/sessions\/[0-9a-f-]{36}\/end"/g)?.length, 2)
    assert.match(text, /Or end all others: 1 session\. This browser stays signed in\./)
  })

  it('the account page offers to end other sessions only when there are some', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'emil')
    const { text, links } = await readPage(await browser.get('/account'))
    assert.match(text, /You are signed in nowhere else/)
    assert.equal(links.includes('/account/sessions/end-others'), false)
  })

  it('nobody who is signed in is told that they are signed out', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    const response = await browser.get('/logout/done')
    assert.deepEqual([response.status, response.headers.get('location')], [303, '/logout'])
  })
})

describe('names on pages', () => {
  const markup = '<img src=x onerror=alert(1)>'
  const escaped = '&lt;img src=x onerror=alert(1)&gt;'
  const turned = [0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e]
    .concat([0x2066, 0x2067, 0x2068, 0x2069])
    .map((code) => String.fromCodePoint(code))
    .join('')

  /** Every page that shows the name of a person, an organization or a connection, all three being `name`. */
  async function pagesNaming(app: TestApp, name: string): Promise<Record<string, string>> {
    const { db, clock } = app.sallyport.services
    const slug = `o${app.provider.people.size}`
    const organization = await createOrganization(db, { slug, name }, clock.now())
    const connectionId = await app.connect({ organizationId: organization.id, name })
    const [subject, other] = [`${slug}-a`, `${slug}-b`]
    app.provider.people.set(subject, { claims: { name, email: `${subject}@acme.example` } })
    app.provider.people.set(other, { claims: { name, email: `${other}@acme.example` } })
    await app.signIn(app.browser(), other, { connectionId })
    const browser = app.browser()
    const pages: Record<string, Response> = {
      login: await browser.get(`/login/${slug}`),
      leave: await browser.post(`/sso/${connectionId}/start`),
      error: await browser.get(`/sso/${connectionId}/callback?state=x`),
    }
    await app.signIn(browser, subject, { connectionId })
    pages['account'] = await browser.get('/account')
    pages['logout'] = await browser.get('/logout')
    const asked = await app.signIn(browser, other, { connectionId })
    pages['switch'] = await browser.get(asked.headers.get('location')!)
    const read = Object.entries(pages).map(
      async ([page, response]) => [page, (await readPage(response)).html] as const,
    )
    return Object.fromEntries(await Promise.all(read))
  }

  it('are escaped wherever they are shown', async () => {
    await using app = await startTestApp()
    for (const [page, html] of Object.entries(await pagesNaming(app, markup))) {
      assert.ok(html.includes(escaped), `${page} shows the name`)
      assert.doesNotMatch(html, /<img/, page)
    }
  })

  it('UIX-09 lose controls that would turn the text around them, and stand beside the slug', async () => {
    await using app = await startTestApp()
    const pages = await pagesNaming(app, `Glob${turned}ex`)
    for (const [page, html] of Object.entries(pages)) {
      assert.doesNotMatch(html, bidiControls, page)
      assert.match(html, /Globex/, page)
    }
    for (const page of ['login', 'switch', 'account']) assert.match(pages[page]!, /\bo0\b/, page)
    assert.match(pages['leave']!, /<strong>idp\.example<\/strong>/)
  })

  it('UIX-05 a provider that sends people to a script is not followed', async () => {
    await using app = await startTestApp()
    for (const target of ['javascript:alert(1)', 'data:text/html,x', 'myapp://x']) {
      Object.assign(app.sallyport.services, {
        provider: async () => ({
          begin: async () => ({ redirect: new URL(target), remember: { nonce: 'n' } }),
        }),
      })
      const response = await app.browser().post(`/sso/${app.connectionId}/start`)
      assert.equal(response.headers.get('refresh'), null)
      const page = await readPage(response)
      assert.equal(page.heading, errors.sso_failed.title)
      assert.equal(page.html.includes(target), false)
    }
  })
})

describe('error pages', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
  })
  after(() => app.close())

  const show = async (error: AppError, path = '/somewhere') =>
    readPage(
      await errorPage(error, {
        requestId: 'ref-7',
        url: new URL(path, app.origin),
        services: app.sallyport.services,
      }),
    )

  for (const code of Object.keys(errors) as ErrorCode[]) {
    it(`${code} says what happened, what to do, and its reference`, async () => {
      const { status, title, advice } = errors[code]
      const page = await show(new AppError(code, { reason: 'the true reason' }))
      assert.deepEqual([page.status, page.title, page.heading], [status, title, title])
      assert.ok(page.text.includes(advice))
      assert.match(page.text, /Reference: ref-7$/)
      assert.doesNotMatch(page.html, /the true reason/)
      assert.ok(page.links.some((link) => /^\/(login|logout)?$/.test(link)))
    })
  }

  it('a sign-in that cannot go on has words for each way, and leads to its organization', async () => {
    const titles = new Set<string>()
    const reasons = ['expired', 'unknown', 'browser_mismatch', 'browser_cookie_missing']
    for (const reason of [...reasons, 'org_mismatch', 'definition_changed', 'anything else']) {
      const error = new AppError('flow_invalid', { reason })
      const page = await show(error, `/sso/${app.connectionId}/callback`)
      titles.add(page.title)
      assert.match(page.text, /Sign in to Acme/)
      assert.ok(page.links.includes('/login/acme'))
    }
    assert.equal(titles.size, 7)
  })

  it('a page about a database that is away does not ask it', async () => {
    const services = new Proxy(app.sallyport.services, {
      get: (target, key) => (key === 'db' ? undefined : Reflect.get(target, key)),
    })
    const url = new URL(`/sso/${app.connectionId}/callback`, app.origin)
    const error = new AppError('temporarily_unavailable')
    const page = await readPage(await errorPage(error, { requestId: 'r', url, services }))
    assert.equal(page.heading, errors.temporarily_unavailable.title)
  })
})

describe('UIX-02 headers', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
  })
  after(() => app.close())

  const answers: readonly (readonly [
    what: string,
    status: number,
    (b: Browser) => Promise<Response>,
  ])[] = [
    ['a page', 200, (b) => b.get('/login')],
    ['the way out', 200, (b) => b.post(`/sso/${app.connectionId}/start`)],
    ['a redirect', 303, (b) => b.get('/account')],
    ['a redirect after a form', 303, (b) => b.post('/logout')],
    ['a missing page', 404, (b) => b.get('/nowhere')],
    ['a refused method', 405, (b) => b.request('/login', { method: 'DELETE' })],
    ['a refused form', 403, (b) => b.post('/logout', {}, { 'sec-fetch-site': 'cross-site' })],
    ['an error on the way back', 400, (b) => b.get(`/sso/${app.connectionId}/callback?state=x`)],
    ['a refused program', 401, (b) => b.api('/me')],
    ['a missing resource', 404, (b) => b.api('/nowhere')],
    ['a probe', 200, (b) => b.api('/healthz')],
    ['the stylesheet', 200, (b) => b.get(stylesheetPath)],
    ['the icon', 200, (b) => b.get(iconPath)],
  ]
  const expected: readonly (readonly [name: string, value: RegExp])[] = [
    [
      'content-security-policy',
      /^default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    ],
    ['strict-transport-security', /^max-age=63072000; includeSubDomains$/],
    ['x-content-type-options', /^nosniff$/],
    ['x-frame-options', /^DENY$/],
    ['referrer-policy', /^(no-referrer|same-origin)$/],
    ['cross-origin-opener-policy', /^same-origin$/],
    ['cross-origin-resource-policy', /^same-origin$/],
    ['permissions-policy', /camera=\(\)/],
    ['x-request-id', /./],
  ]

  for (const [what, status, ask] of answers) {
    it(`UIX-02 ${what} carries every security header`, async () => {
      const response = await ask(app.browser())
      assert.equal(response.status, status)
      for (const [name, value] of expected)
        assert.match(response.headers.get(name) ?? '', value, name)
      if (!/css|svg/.test(response.headers.get('content-type') ?? ''))
        assert.equal(response.headers.get('cache-control'), 'no-store')
    })
  }
})
