import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { routes } from '../../src/routes.ts'
import { isSignedIn, sees, seesSignedIn, setStage } from './_visitor.ts'

/** Somebody else's pages: empty, for the tests to fill. */
const elsewhere = createServer((_request, response) => {
  response.setHeader('content-type', 'text/html')
  response.end('<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,">')
})
/** The same site is what a sibling subdomain is: from there browsers send the cookies. */
const places = { 'another site': '127.0.0.1', 'the same site': 'localhost' } as const
let port: number

before(async () => {
  await once(elsewhere.listen(0, '127.0.0.1'), 'listening')
  port = (elsewhere.address() as AddressInfo).port
})
after(() => {
  elsewhere.close()
  elsewhere.closeAllConnections()
})

const stage = setStage()
/** That page itself, and what Chromium says where it shows none of ours. */
const expected = /:\d+\/$|Elsewhere|frame-ancestors|X-Frame-Options|chrome-error:/

const openElsewhere = (page: Page, place: keyof typeof places) =>
  page.goto(`http://${places[place]}:${port}/`)

test('CSR-01 no form on another host of the same site changes anything, whatever its type', async (t) => {
  const page = await stage.visit(t, { expected })
  await isSignedIn(page, stage.site, 'alice')
  const { connectionId } = stage.site
  const paths = routes
    .filter(({ method, crossSite }) => method === 'POST' && !crossSite)
    .map(({ path }) => path.replace(':connection', connectionId).replace(':session', connectionId))
  const forms = [
    ...paths.map((path) => ({ path, type: 'application/x-www-form-urlencoded' })),
    { path: '/logout', type: 'multipart/form-data' },
    { path: '/logout', type: 'text/plain' },
  ]
  assert.ok(paths.includes('/logout'))
  for (const { path, type } of forms) {
    await openElsewhere(page, 'the same site')
    const [request] = await Promise.all([
      page.waitForRequest((request) => request.method() === 'POST'),
      page.evaluate(sendForm, { action: stage.site.origin + path, method: 'post', type }),
    ])
    await sees(page, 'That request came from another site')
    assert.match((await request.allHeaders())['cookie'] ?? '', /sallyport=/, path)
    assert.equal((await request.response())?.status(), 403, `${path} ${type}`)
  }
  await page.goto('/')
  await seesSignedIn(page, 'Alice Archer')
})

test('CKI-02 a form on another site is sent without our cookies and refused, a link is sent with them', async (t) => {
  const page = await stage.visit(t, { expected })
  await isSignedIn(page, stage.site, 'alice')
  const cookies = await page.context().cookies(stage.site.origin)
  assert.deepEqual(
    cookies.map(({ sameSite }) => sameSite),
    ['Lax', 'Lax'],
  )
  const rows = [
    { method: 'post', sent: false, status: 403, heading: 'That request came from another site' },
    { method: 'get', sent: true, status: 200, heading: 'Sign out?' },
  ]
  for (const { method, sent, status, heading } of rows) {
    await openElsewhere(page, 'another site')
    const action = `${stage.site.origin}/logout`
    const [request] = await Promise.all([
      page.waitForRequest((request) => request.url().startsWith(action)),
      page.evaluate(sendForm, { action, method }),
    ])
    await sees(page, heading)
    assert.equal((await request.response())?.status(), status, method)
    assert.equal('cookie' in (await request.allHeaders()), sent, method)
  }
})

for (const place of Object.keys(places) as (keyof typeof places)[]) {
  test(`UIX-03 a page on ${place} can frame none of ours`, async (t) => {
    const page = await stage.visit(t, { expected })
    await isSignedIn(page, stage.site, 'alice')
    await openElsewhere(page, place)
    const paths = ['/', '/login?switch', '/logout', '/account', '/sso/none/callback']
    const addresses = paths.map((path) => stage.site.origin + path)
    const refused = addresses.map((address) =>
      page.waitForEvent('requestfailed', (request) => {
        // From another site nobody is signed in, and the account leads to the sign-in page.
        const first = request.redirectedFrom() ?? request
        const why = request.failure()?.errorText
        return first.url() === address && why === 'net::ERR_BLOCKED_BY_RESPONSE'
      }),
    )
    await Promise.all([...refused, page.evaluate(showFrames, addresses)])
  })
}

function sendForm({
  action,
  method,
  type = '',
}: {
  action: string
  method: string
  type?: string
}): void {
  const form = document.createElement('form')
  Object.assign(form, { action, method, enctype: type })
  document.body.append(form)
  form.submit()
}

function showFrames(addresses: readonly string[]): void {
  for (const src of addresses) {
    const frame = document.createElement('iframe')
    frame.src = src
    document.body.append(frame)
  }
}
