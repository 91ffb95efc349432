import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { isSignedIn, sees, setStage } from './_visitor.ts'

const stage = setStage()

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
