import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { routes } from '../../src/routes.ts'
import { isSignedIn, seesSignedIn, setStage } from './_visitor.ts'

/** Somebody else's pages: empty, for the tests to fill. */
const elsewhere = createServer((_request, response) => {
  response.setHeader('content-type', 'text/html')
  response.end('<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,">')
})
/** `same site` is what a sibling subdomain is: browsers send it the cookies. */
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
const expected = /:\d+\/$|Elsewhere|frame-ancestors|X-Frame-Options/

for (const [place, host] of Object.entries(places)) {
  describe(`a page on ${place}`, () => {
    const open = (page: Page) => page.goto(`http://${host}:${port}/`)

    test('CSR-01 can send no form that changes anything, whatever its type', async (t) => {
      const page = await stage.visit(t, { expected })
      await isSignedIn(page, stage.site, 'alice')
      const { connectionId } = stage.site
      const paths = routes
        .filter(({ method }) => method === 'POST')
        .map(({ path }) =>
          path.replace(':connection', connectionId).replace(':session', connectionId),
        )
      assert.ok(paths.includes('/logout'))
      const forms = [
        ...paths.map((path) => ({ path, type: 'application/x-www-form-urlencoded' })),
        { path: '/logout', type: 'multipart/form-data' },
        { path: '/logout', type: 'text/plain' },
      ]
      for (const { path, type } of forms) {
        await open(page)
        const [answer] = await Promise.all([
          page.waitForResponse((response) => response.request().method() === 'POST'),
          page.evaluate(sendForm, { action: stage.site.origin + path, method: 'post', type }),
        ])
        assert.equal(answer.status(), 403, `${path} ${type}`)
        await page.getByText('That request came from another site').waitFor()
      }
      await page.goto('/')
      await seesSignedIn(page, 'Alice Archer')
    })

    test('UIX-03 can frame none of our pages', async (t) => {
      const page = await stage.visit(t, { expected })
      await isSignedIn(page, stage.site, 'alice')
      await open(page)
      const paths = ['/', '/login?switch', '/logout', '/account', '/sso/none/callback']
      await page.evaluate(
        showFrames,
        paths.map((path) => stage.site.origin + path),
      )
      const frames = page.frames().filter((frame) => frame.parentFrame())
      assert.deepEqual(
        frames.map((frame) => frame.url()),
        paths.map(() => 'chrome-error://chromewebdata/'),
      )
    })
  })
}

test('CKI-02 a form on another site is sent without our cookies, a link with them', async (t) => {
  const page = await stage.visit(t, { expected })
  await isSignedIn(page, stage.site, 'alice')
  const cookies = await page.context().cookies(stage.site.origin)
  assert.deepEqual(
    cookies.map(({ sameSite }) => sameSite),
    ['Lax', 'Lax'],
  )
  for (const [method, sent] of [
    ['post', false],
    ['get', true],
  ] as const) {
    await page.goto(`http://127.0.0.1:${port}/`)
    const [request] = await Promise.all([
      page.waitForRequest((request) => request.url().startsWith(`${stage.site.origin}/logout`)),
      page.evaluate(sendForm, { action: `${stage.site.origin}/logout`, method }),
    ])
    await page.waitForURL(/logout/)
    assert.equal('cookie' in (await request.allHeaders()), sent, method)
  }
})

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

/** Resolves when all have loaded; a frame that is refused loads an error page. */
async function showFrames(addresses: readonly string[]): Promise<void> {
  const loaded = addresses.map((src) => {
    const frame = document.createElement('iframe')
    return new Promise((resolve) => {
      frame.onload = resolve
      frame.src = src
      document.body.append(frame)
    })
  })
  await Promise.all(loaded)
}
