import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSignedIn, pathOf, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage()

test('REV-08, SEED-58 after signing out neither the back button nor a copied cookie shows a private page', async (t) => {
  const page = await stage.visit(t)
  await isSignedIn(page, stage.site, 'alice')
  await page.goto('/')
  await page.getByRole('link', { name: 'Alice Archer' }).click()
  await sees(page, 'Your account')
  const stolen = await page.context().storageState()

  await page.getByRole('main').getByRole('button', { name: 'Sign out' }).click()
  await sees(page, 'You are signed out')
  const names = (await page.context().cookies(stage.site.origin)).map(({ name }) => name)
  assert.deepEqual(names, ['sallyport-browser'])

  await page.goBack()
  await page.getByRole('button', { name: /^Continue with/ }).waitFor()
  assert.doesNotMatch(await page.content(), /alice@acme/)
  await page.goBack()
  await page.getByRole('link', { name: 'Sign in', exact: true }).waitFor()

  const thief = await stage.visit(t, { storageState: stolen })
  await thief.goto('/account')
  assert.equal(pathOf(thief), '/login?return_to=%2Faccount')
})

test('UIX-06 nothing is kept in a browser but the two cookies, signed in or out', async (t) => {
  const page = await stage.visit(t)
  const kept = () =>
    page.evaluate(async () => ({
      local: localStorage.length,
      session: sessionStorage.length,
      databases: (await indexedDB.databases()).length,
      caches: (await caches.keys()).length,
      workers: (await navigator.serviceWorker.getRegistrations()).length,
    }))
  const nothing = { local: 0, session: 0, databases: 0, caches: 0, workers: 0 }
  await isSignedIn(page, stage.site, 'bob')
  await page.goto('/account')
  assert.deepEqual(await kept(), nothing)
  await page.goto('/logout')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await sees(page, 'You are signed out')
  assert.deepEqual(await kept(), nothing)
})

test('ending all other sessions signs out the other browser and leaves this one', async (t) => {
  const [here, there] = [await stage.visit(t), await stage.visit(t)]
  for (const page of [here, there]) await isSignedIn(page, stage.site, 'bob')
  await there.goto('/account')
  await here.goto('/account')
  await here.getByRole('button', { name: 'End all other sessions' }).click()
  await here.getByText('You are signed in nowhere else.').waitFor()
  await seesSignedIn(here, 'Bob Baker')
  await there.reload()
  await there.getByRole('button', { name: /^Continue with/ }).waitFor()
})

test('one session of several can be ended from another browser', async (t) => {
  const [here, there] = [await stage.visit(t), await stage.visit(t)]
  await isSignedIn(here, stage.site, 'bob')
  await here.goto('/account')
  await here.getByRole('button', { name: 'End all other sessions' }).click()
  await isSignedIn(there, stage.site, 'bob')
  await here.goto('/account')
  const others = here.getByRole('listitem').filter({ hasNotText: 'This browser' })
  await others.getByRole('button', { name: 'End session' }).click()
  await here.getByText('You are signed in nowhere else.').waitFor()
  await there.goto('/account')
  assert.equal(pathOf(there), '/login?return_to=%2Faccount')
})
