import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { isSignedIn, pathOf, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage({
  env: { SALLYPORT_PERSONAL_SIGN_IN: 'everybody', SALLYPORT_ORGANIZATIONS: 'anybody' },
})

/** Bob has an account too, so that there is somebody to look after. */
async function isOwner(page: Page): Promise<void> {
  await isSignedIn(page, stage.site, 'bob')
  await page.context().clearCookies()
  await isSignedIn(page, stage.site, 'alice')
}

/** The pages of an organization, and how its owner gets there. */
const pages: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  overview: (page) => page.goto('/organizations/acme'),
  members: (page) => page.goto('/organizations/acme/members'),
  'members who are not there': (page) => page.goto('/organizations/acme/members?name=nobody'),
  'one member': async (page) => {
    await page.goto('/organizations/acme/members?name=Bob')
    await page.getByRole('link', { name: 'Look after' }).click()
    await sees(page, 'Bob Baker')
  },
  'the question before removing a member': async (page) => {
    await pages['one member']!(page)
    await page.getByRole('link', { name: /^Remove/ }).click()
    await sees(page, 'Remove Bob Baker?')
  },
  invitations: async (page) => {
    await page.goto('/organizations/acme/invitations')
    await page
      .getByLabel('E-mail address')
      .fill(`a-rather-long-address-${Date.now()}@subsidiary.example.com`)
    await page.getByRole('button', { name: 'Send the invitation' }).click()
    await page.getByRole('button', { name: 'Withdraw' }).first().waitFor()
  },
  policy: (page) => page.goto('/organizations/acme/policy'),
  audit: (page) => page.goto('/organizations/acme/audit'),
  health: (page) => page.goto('/organizations/acme/health'),
  'the health of one connection': async (page) => {
    await page.goto('/organizations/acme/health')
    await page.getByRole('link', { name: /how soon it is noticed/ }).click()
    await page.getByRole('heading', { name: 'How it is asked' }).waitFor()
  },
  alarms: (page) => page.goto('/organizations/acme/alarms'),
  sessions: (page) => page.goto('/organizations/acme/sessions'),
  'a new organization': (page) => page.goto('/organizations/new'),
  'the question before leaving': async (page) => {
    await page.goto('/account')
    await page.getByRole('link', { name: 'Leave' }).click()
    await sees(page, 'Leave Acme?')
  },
}

describe('an organization’s pages', () => {
  for (const [name, open] of Object.entries(pages)) {
    test(`${name}: fits into 360 pixels, and into a wide window`, async (t) => {
      const page = await stage.visit(t, { viewport: { width: 360, height: 640 } })
      await isOwner(page)
      await open(page)
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
      await fits(page)
      await page.setViewportSize({ width: 1280, height: 800 })
      await fits(page)
      // What one acts on is large enough for a finger (WCAG 2.5.8).
      await page.setViewportSize({ width: 360, height: 640 })
      for (const target of await page.locator('main :is(button, select, .button, nav a)').all()) {
        const box = await target.boundingBox()
        assert.ok(box && box.height >= 24 && box.width >= 24, `${await target.textContent()}`)
      }
    })
  }
})

async function fits(page: Page): Promise<void> {
  const { wanted, given } = await page.evaluate(() => ({
    wanted: document.documentElement.scrollWidth,
    given: document.documentElement.clientWidth,
  }))
  assert.ok(wanted <= given, `${wanted} pixels wide in ${given}`)
}

test('an owner finds a member, makes them an admin and back, with the keyboard alone', async (t) => {
  const page = await stage.visit(t)
  await isOwner(page)
  await page.goto('/organizations/acme')
  await page.getByRole('link', { name: 'Members', exact: true }).first().focus()
  await page.keyboard.press('Enter')
  await sees(page, 'Members')
  await page.getByLabel('Name').focus()
  await page.keyboard.type('bob')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /called bob/ }).waitFor()
  for (const [key, role] of [
    ['ArrowDown', 'admin'],
    ['ArrowUp', 'member'],
  ] as const) {
    if (role === 'admin') {
      await page.getByRole('link', { name: 'Look after' }).focus()
      await page.keyboard.press('Enter')
      await sees(page, 'Bob Baker')
    }
    await page.getByRole('combobox', { name: 'Role' }).focus()
    await page.keyboard.press(key)
    await page.keyboard.press('Tab')
    const saved = page.waitForResponse((response) => response.request().method() === 'POST')
    await page.keyboard.press('Enter')
    assert.equal((await saved).status(), 303)
    await page.locator('main > p > .mark').first().getByText(role, { exact: true }).waitFor()
  }
})

test('whoever signs in by mail makes an organization and is in it', async (t) => {
  const page = await stage.visit(t)
  await page.goto('/login/mail')
  await page.getByLabel('Your e-mail address').fill('fay@home.example')
  await page.getByRole('button', { name: 'Send me a link' }).click()
  await sees(page, 'Look into your mail')
  const mail = page.getByRole('listitem').filter({ hasText: 'fay@home.example' })
  for (;;) {
    await page.goto('/dev/mailbox')
    if ((await mail.count()) > 0) break
  }
  await mail.getByRole('link', { name: 'Read' }).click()
  await page.getByRole('link', { name: 'Follow its link' }).click()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('Your name').fill('Fay Founder')
  await page.getByRole('button', { name: 'Create account' }).click()
  await seesSignedIn(page, 'Fay Founder')
  await page.goto('/account')
  await page.getByRole('link', { name: 'New organization' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Fay & Co')
  await page.getByLabel('Short name').fill('fay')
  await page.getByRole('button', { name: 'Make it' }).click()
  await sees(page, 'Fay & Co')
  assert.equal(pathOf(page), '/organizations/fay')
})
