import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { minutes } from '../../src/lib/clock.ts'
import { callbackOf, isSignedIn, leave, sees, setStage } from './_visitor.ts'

const stage = setStage({ env: { SALLYPORT_GUESTS: 'on' } })

/** Every kind of page there is, and how a browser gets there. */
const pages: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  'the first page': (page) => page.goto('/'),
  'sign-in': (page) => page.goto('/login'),
  'the choice of an organization': (page) => page.goto('/login?other=1'),
  'an unknown organization': (page) => page.goto('/login/nobody'),
  'a page that is not there': (page) => page.goto('/nowhere'),
  'a sign-in that is not known': (page) => page.goto(`/sso/${stage.site.connectionId}/callback`),
  'the way to the provider': async (page) => {
    await page.route('**/start', async (route) => {
      const response = await route.fetch()
      const { refresh, ...headers } = response.headers()
      assert.match(refresh ?? '', /^0; url=http/)
      await route.fulfill({ response, headers })
    })
    await leave(page)
    await page.getByRole('link', { name: 'Continue' }).waitFor()
  },
  'the provider’s sign-in': async (page) => {
    await leave(page)
    await sees(page, 'Who are you?')
  },
  'the provider’s people': (page) => page.goto(stage.site.provider.issuer),
  'a refusal': async (page) => {
    await page.goto(await callbackOf(page, stage.site, 'carol'))
    await sees(page, 'The sign-in was cancelled')
  },
  'a sign-in that took too long': async (page) => {
    const callback = await callbackOf(page, stage.site, 'alice')
    stage.site.clock.ahead = minutes(11)
    await page.goto(callback)
    stage.site.clock.ahead = 0
  },
  'the first page, signed in': async (page) => {
    await isSignedIn(page, stage.site, 'bob')
    await page.goto('/')
  },
  'sign-in, as a guest': async (page) => {
    await isGuest(page)
    await page.goto('/login')
  },
  'the question before a guest’s session ends': async (page) => {
    await isGuest(page)
    await page.goto('/logout')
  },
  'the form of somebody new': async (page) => {
    await isGuest(page)
    await page.goto(await callbackOf(page, stage.site, 'erin'))
    await sees(page, 'Create your account')
  },
  'the question about a guest’s work': async (page) => {
    await isGuest(page)
    await page.goto(await callbackOf(page, stage.site, 'alice'))
    await sees(page, 'Take your work with you?')
  },
  'the account': async (page) => {
    await isSignedIn(page, stage.site, 'bob')
    await page.goto('/account')
  },
  'the question before signing out': async (page) => {
    await isSignedIn(page, stage.site, 'bob')
    await page.goto('/logout')
  },
  'the people one can be': (page) => page.goto('/autosession'),
  'all states': async (page) => {
    await isSignedIn(page, stage.site, 'bob')
    await page.goto('/dev/states')
  },
  'a state entered': async (page) => {
    await page.goto('/dev/states')
    await page.locator('form[action="/dev/states/2"] button').click()
    await sees(page, 'This browser is in row 2')
  },
  'signed out': (page) => page.goto('/logout/done'),
  'the question before switching': async (page) => {
    await isSignedIn(page, stage.site, 'alice')
    await page.context().clearCookies({ domain: '127.0.0.1' })
    await page.goto(await callbackOf(page, stage.site, 'bob'))
    await sees(page, 'Switch account?')
  },
}

describe('a narrow window', () => {
  for (const [name, open] of Object.entries(pages)) {
    test(`${name}: fits into 360 pixels, is dark where that is preferred, and shows scripts no cookie`, async (t) => {
      const page = await stage.visit(t, { viewport: { width: 360, height: 640 } })
      await open(page)
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
      assert.ok((await page.title()).length > 0)
      const { wanted, given } = await page.evaluate(() => ({
        wanted: document.documentElement.scrollWidth,
        given: document.documentElement.clientWidth,
      }))
      assert.ok(wanted <= given, `${wanted} pixels wide`)
      assert.equal(await page.evaluate(() => document.cookie), '')

      const light = await background(page)
      await page.emulateMedia({ colorScheme: 'dark' })
      const dark = await background(page)
      assert.ok(brightness(light) > 200 && brightness(dark) < 60, `${light}, ${dark}`)
    })
  }
})

test('CKI-11 scripts see neither cookie', async (t) => {
  const page = await stage.visit(t)
  await isSignedIn(page, stage.site, 'alice')
  await page.goto('/account')
  const cookies = await page.context().cookies(stage.site.origin)
  assert.deepEqual(cookies.map(({ name, httpOnly }) => [name, httpOnly]).sort(), [
    ['sallyport', true],
    ['sallyport-browser', true],
  ])
  assert.equal(await page.evaluate(() => document.cookie), '')
  assert.deepEqual(await page.evaluate(async () => await cookieStore.getAll()), [])
})

test('the whole story can be told with the keyboard alone', async (t) => {
  const page = await stage.visit(t)
  await page.goto('/')
  await press(page, /^Sign in$/)
  await press(page, /^Continue with/)
  await sees(page, 'Who are you?')
  await press(page, /^Bob Baker/)
  await press(page, /^See your account$/)
  await sees(page, 'Your account')
  await press(page, /^End session$/)
  await sees(page, 'You are signed out')
  await press(page, /^Sign in again$/)
  await press(page, /^Another organization$/)
  await tabTo(page, page.getByLabel('Your organization'))
  await page.keyboard.type('acme')
  await page.keyboard.press('Enter')
  await press(page, /^Continue with/)
  await page.getByRole('banner').getByRole('link', { name: 'Bob Baker' }).waitFor()
})

async function isGuest(page: Page): Promise<void> {
  const { origin } = stage.site
  const answer = await page.request.post(`${origin}/guest`, { headers: { origin } })
  assert.equal(answer.status(), 201)
}

/** Presses a link or button that shows the focus. */
async function press(page: Page, name: RegExp): Promise<void> {
  const target = page.getByRole('button', { name }).or(page.getByRole('link', { name })).first()
  await tabTo(page, target)
  const outline = await target.evaluate((element) => getComputedStyle(element).outlineStyle)
  assert.notEqual(outline, 'none', `${name} does not show the focus`)
  const left = page.waitForEvent('framenavigated')
  await page.keyboard.press('Enter')
  await left
}

async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.waitFor()
  const focused = () => target.evaluate((element) => element === document.activeElement)
  for (let tabs = 0; !(await focused()); tabs++) {
    assert.ok(tabs < 40, `the Tab key does not lead to ${target}`)
    await page.keyboard.press('Tab')
  }
}

function background(page: Page): Promise<string> {
  return page.evaluate(() => {
    const [body, root] = [document.body, document.documentElement].map(
      (element) => getComputedStyle(element).backgroundColor,
    )
    return body === 'rgba(0, 0, 0, 0)' ? root! : body!
  })
}

/** From 0 to 255. */
function brightness(color: string): number {
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map(Number)
  return (red + green + blue) / 3
}
