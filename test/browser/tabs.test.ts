import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { isSignedIn, sees, seesSignedIn, setStage, signIn } from './_visitor.ts'

const stage = setStage()

test('SEED-34 another tab is told who is signed in now, when somebody switches and when they sign out', async (t) => {
  const here = await stage.visit(t)
  const there = await here.context().newPage()
  await isSignedIn(await stage.visit(t), stage.site, 'bob')
  await isSignedIn(here, stage.site, 'alice')
  for (const page of [here, there]) await page.goto('/account')
  const notice = there.getByRole('status')
  assert.equal(await notice.count(), 0)
  await here.reload()
  await sees(here, 'Your account')
  assert.equal(await notice.count(), 0, 'the same session is no news')

  await forgetAtProvider(here)
  await signIn(here, 'Bob', '/login?switch&return_to=%2Faccount')
  await here.getByRole('button', { name: /^Switch to/ }).click()
  await seesSignedIn(here, 'Bob Baker')
  await notice.filter({ hasText: 'You are now signed in as Bob Baker, in another tab.' }).waitFor()
  await there.getByRole('link', { name: 'Reload this page' }).click()
  await seesSignedIn(there, 'Bob Baker')
  assert.equal(await notice.count(), 0)

  await here.getByRole('main').getByRole('button', { name: 'Sign out' }).click()
  await sees(here, 'You are signed out')
  await notice.filter({ hasText: 'You have signed out, in another tab.' }).waitFor()
})

test('SEED-51 another tab hears that its person has signed in once more; a page without scripts works all the same', async (t) => {
  const here = await stage.visit(t)
  const there = await here.context().newPage()
  await isSignedIn(here, stage.site, 'alice')
  for (const page of [here, there]) await page.goto('/account')
  await forgetAtProvider(here)
  await signIn(here, 'Alice', '/login?switch&return_to=%2Faccount')
  await sees(here, 'Your account')
  const notice = there.getByRole('status')
  await notice.filter({ hasText: 'You are now signed in as Alice Archer' }).waitFor()

  const plain = await stage.visit(t, { javaScriptEnabled: false })
  await isSignedIn(plain, stage.site, 'bob')
  await plain.goto('/account')
  await seesSignedIn(plain, 'Bob Baker')
})

/** Lets the provider ask again who it is. */
async function forgetAtProvider(page: Page): Promise<void> {
  await page.context().clearCookies({ domain: '127.0.0.1' })
}
