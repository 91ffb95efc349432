import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { minutes } from '../../src/lib/clock.ts'
import {
  callbackOf,
  choose,
  isSignedIn,
  leave,
  pathOf,
  sees,
  seesSignedIn,
  setStage,
  signIn,
} from './_visitor.ts'

const stage = setStage()

test('S0-18 the first page leads to the provider and back, signed in, whoever is new getting an account', async (t) => {
  for (const name of ['Alice Archer', 'Bob Baker']) {
    const page = await stage.visit(t)
    await page.goto('/')
    await page.getByRole('link', { name: 'Sign in', exact: true }).click()
    await page.getByRole('button', { name: /^Continue with/ }).click()
    await choose(page, name)
    await seesSignedIn(page, name)
    assert.equal(pathOf(page), '/')
    await page.getByRole('link', { name }).click()
    await sees(page, 'Your account')
    await page.getByText('This browser', { exact: true }).waitFor()
  }
})

test('S0-22 somebody suspended at the provider gets a page with a way on, once, and no loop', async (t) => {
  const page = await stage.visit(t)
  const visited: string[] = []
  page.on('framenavigated', (frame) => visited.push(new URL(frame.url()).pathname))
  await signIn(page, 'Carol')
  await sees(page, 'The sign-in was cancelled')
  await page.getByText(/Reference: /).waitFor()
  await page.getByRole('link', { name: 'Sign in to Acme' }).click()
  await page.getByRole('button', { name: /^Continue with/ }).waitFor()
  assert.equal(visited.filter((path) => path.endsWith('/callback')).length, 1)
  assert.equal(visited.at(-1), '/login/acme')
  await page.goto('/account')
  assert.equal(pathOf(page), '/login?return_to=%2Faccount')
})

test('SEED-28 signing in leads to the page first asked for', async (t) => {
  const page = await stage.visit(t)
  await signIn(page, 'Alice', '/account')
  await sees(page, 'Your account')
  assert.equal(pathOf(page), '/account')
})

test('SEED-31 whoever is signed in and opens the sign-in page is sent back to where they came from', async (t) => {
  const page = await stage.visit(t)
  await isSignedIn(page, stage.site, 'alice')
  await page.goto('/login?return_to=%2Faccount')
  await sees(page, 'Your account')
})

test('a new page remembers who signed in on one that was closed', async (t) => {
  const page = await stage.visit(t)
  await signIn(page)
  await seesSignedIn(page, 'Alice Archer')
  await page.close()
  const later = await page.context().newPage()
  await later.goto('/')
  await seesSignedIn(later, 'Alice Archer')
})

test('S0-14 five tabs with a sign-in each under way are all led back signed in, in one session', async (t) => {
  const page = await stage.visit(t)
  const before = await liveSessions()
  const more = Array.from({ length: 4 }, () => page.context().newPage())
  const tabs = [page, ...(await Promise.all(more))]
  for (const tab of tabs) await leave(tab, '/login?return_to=%2Faccount')
  await Promise.all(tabs.map((tab) => sees(tab, 'Who are you?')))
  for (const tab of tabs.toReversed()) {
    await choose(tab, 'Bob')
    await sees(tab, 'Your account')
  }
  await Promise.all(tabs.map((tab) => tab.reload()))
  await Promise.all(tabs.map((tab) => sees(tab, 'Your account')))
  assert.equal(await liveSessions(), before + 1)
})

test('S0-14 SES-13 five tabs that leave and come back at the same moment all end signed in', async (t) => {
  const page = await stage.visit(t)
  const more = Array.from({ length: 4 }, () => page.context().newPage())
  const tabs = [page, ...(await Promise.all(more))]
  await Promise.all(tabs.map((tab) => leave(tab, '/login?return_to=%2Faccount')))
  await Promise.all(tabs.map((tab) => sees(tab, 'Who are you?')))
  await Promise.all(tabs.map((tab) => choose(tab, 'Bob')))
  await Promise.all(tabs.map((tab) => sees(tab, 'Your account')))
  await Promise.all(tabs.map((tab) => tab.reload()))
  await Promise.all(tabs.map((tab) => sees(tab, 'Your account')))
})

test('CSR-06, PIP-02 the way back opened in another browser is refused with a page that knows the organization, and still works in its own', async (t) => {
  const [page, stranger] = [await stage.visit(t), await stage.visit(t)]
  const callback = await callbackOf(page, stage.site, 'alice')
  await stranger.goto(callback)
  await sees(stranger, 'Your browser sent us no cookie')
  await stranger.getByRole('link', { name: 'Sign in to Acme' }).click()
  await stranger.getByRole('button', { name: /^Continue with/ }).click()
  await sees(stranger, 'Who are you?')
  await stranger.goto(callback)
  await sees(stranger, 'This sign-in began in another browser')
  await stranger.getByRole('link', { name: 'Sign in to Acme' }).waitFor()
  await page.goto(callback)
  await seesSignedIn(page, 'Alice Archer')
})

test('PIP-07 the same way back, taken again, gives the same outcome', async (t) => {
  const page = await stage.visit(t)
  const callback = await callbackOf(page, stage.site, 'alice')
  await page.goto(callback)
  await seesSignedIn(page, 'Alice Archer')
  const cookies = await page.context().cookies(stage.site.origin)
  await page.goto(callback)
  await seesSignedIn(page, 'Alice Archer')
  assert.equal(pathOf(page), '/')
  assert.deepEqual(await page.context().cookies(stage.site.origin), cookies)
})

test('a sign-in that took too long says so and leads to another that works', async (t) => {
  const page = await stage.visit(t)
  const callback = await callbackOf(page, stage.site, 'alice')
  t.after(() => (stage.site.clock.ahead = 0))
  stage.site.clock.ahead = minutes(11)
  await page.goto(callback)
  await sees(page, 'This sign-in took too long')
  stage.site.clock.ahead = 0
  await page.getByRole('link', { name: 'Sign in to Acme' }).click()
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await seesSignedIn(page, 'Alice Archer')
})

test('whoever comes back after their session expired is told so, and not by name', async (t) => {
  const page = await stage.visit(t)
  await isSignedIn(page, stage.site, 'alice')
  t.after(() => (stage.site.clock.ahead = 0))
  stage.site.clock.ahead = minutes(61)
  await page.goto('/account')
  await sees(page, 'Welcome back')
  await page.getByText(/Your session has expired/).waitFor()
  assert.doesNotMatch(await page.content(), /Archer|alice/i)
})

test('SES-09 signing in as somebody else asks first, and nothing of the first person is left', async (t) => {
  const page = await stage.visit(t)
  await isSignedIn(page, stage.site, 'alice')
  const alices = await page.context().storageState()

  await forgetAtProvider(page)
  await signIn(page, 'Bob', '/login?switch')
  await sees(page, 'Switch account?')
  await page.getByRole('button', { name: 'Stay signed in as Alice Archer' }).click()
  await seesSignedIn(page, 'Alice Archer')

  await forgetAtProvider(page)
  await signIn(page, 'Bob', '/login?switch&return_to=%2Faccount')
  await page.getByRole('button', { name: 'Switch to Bob Baker' }).click()
  await seesSignedIn(page, 'Bob Baker')
  assert.doesNotMatch(await page.content(), /Alice/)

  const copy = await stage.visit(t)
  await copy.context().addCookies(alices.cookies)
  await copy.goto('/account')
  assert.equal(pathOf(copy), '/login?return_to=%2Faccount')
})

test('somebody suspended at the provider cannot sign in again until they are restored', async (t) => {
  const [page, administrator] = [await stage.visit(t), await stage.visit(t)]
  t.after(() => stage.site.provider.restore('bob'))
  await isSignedIn(page, stage.site, 'bob')

  await administrator.goto(stage.site.provider.issuer)
  await administrator.getByRole('button', { name: 'Suspend Bob Baker' }).click()
  await administrator.getByRole('button', { name: 'Restore Bob Baker' }).waitFor()
  await page.goto('/logout')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in again' }).click()
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await choose(page, 'Bob')
  await sees(page, 'The sign-in was cancelled')

  await administrator.getByRole('button', { name: 'Restore Bob Baker' }).click()
  await administrator.getByRole('button', { name: 'Suspend Bob Baker' }).waitFor()
  await signIn(page, 'Bob')
  await seesSignedIn(page, 'Bob Baker')
})

async function forgetAtProvider(page: Page): Promise<void> {
  await page.context().clearCookies({ domain: '127.0.0.1' })
}

async function liveSessions(): Promise<number> {
  const live = stage.site.sallyport.services.db
    .selectFrom('sessions')
    .where('revoked_at', 'is', null)
  return (await live.select('id').execute()).length
}
