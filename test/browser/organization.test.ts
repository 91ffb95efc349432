import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { followMail, isSignedIn, pathOf, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage({
  env: { SALLYPORT_PERSONAL_SIGN_IN: 'everybody', SALLYPORT_ORGANIZATIONS: 'anybody' },
})

/** Bob has an account too, so that there is somebody to look after. */
async function isOwner(page: Page): Promise<void> {
  await isSignedIn(page, stage.site, 'bob')
  await page.context().clearCookies()
  await isSignedIn(page, stage.site, 'alice')
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
  await followMail(page, 'fay@home.example', 'Sign in to')
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
