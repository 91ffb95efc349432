import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CDPSession, Page } from 'playwright-core'
import { isSignedIn, pathOf, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })

/** Puts an authenticator into the browser that knows its owner, and does what it is asked. */
async function withAuthenticator(page: Page): Promise<{ cdp: CDPSession; id: string }> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId: id } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return { cdp, id }
}

async function addPasskey(page: Page, name: string): Promise<void> {
  await page.goto('/account')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByLabel('Its name').fill(name)
  await page.getByRole('button', { name: 'Make a passkey' }).click()
  await sees(page, 'Your account')
  await page.getByRole('listitem').filter({ hasText: name }).waitFor()
}

async function signOut(page: Page): Promise<void> {
  await page.goto('/logout')
  await page.getByRole('main').getByRole('button', { name: 'Sign out' }).click()
  await sees(page, 'You are signed out')
}

test('a passkey is added, signs in without a name, is renamed and removed', async (t) => {
  const page = await stage.visit(t)
  const { cdp, id } = await withAuthenticator(page)
  await isSignedIn(page, stage.site, 'alice')
  await addPasskey(page, 'My laptop')
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: id })
  assert.deepEqual(
    credentials.map(({ isResidentCredential, rpId }) => [isResidentCredential, rpId]),
    [[true, 'localhost']],
  )
  await signOut(page)

  await page.goto('/login?return_to=%2Faccount')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await sees(page, 'Your account')
  await seesSignedIn(page, 'Alice Archer')
  await page
    .getByText(/Last used just now/)
    .first()
    .waitFor()

  await page.getByRole('link', { name: 'Change' }).click()
  await page.getByLabel('Its name').fill('Old laptop')
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByText('Old laptop').waitFor()
  await page.getByRole('link', { name: 'Change' }).click()
  await page.getByRole('button', { name: 'Remove this passkey' }).click()
  await sees(page, 'Your account')
  assert.equal(await page.getByText('Old laptop').count(), 0)

  await signOut(page)
  await page.goto('/login')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await sees(page, 'This passkey was not accepted')
})

test('the same device is told that it has a passkey already, and one without a verified owner is refused', async (t) => {
  const page = await stage.visit(t)
  const { cdp, id } = await withAuthenticator(page)
  await isSignedIn(page, stage.site, 'bob')
  await addPasskey(page, 'Bob’s phone')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByRole('button', { name: 'Make a passkey' }).click()
  await page.getByText('This device has a passkey for your account already.').waitFor()
  await signOut(page)
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: false })
  await page.goto('/login')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await page.getByText(/No passkey was chosen/).waitFor()
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: true })
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await seesSignedIn(page, 'Bob Baker')
})

test('a passkey of somebody else asks before the session in this browser ends', async (t) => {
  const page = await stage.visit(t)
  await withAuthenticator(page)
  await isSignedIn(page, stage.site, 'alice')
  await addPasskey(page, 'Shared computer')
  await signOut(page)
  await page.context().clearCookies({ domain: '127.0.0.1' })
  await isSignedIn(page, stage.site, 'bob')
  await page.goto('/login?switch=1')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await sees(page, 'Switch account?')
  await page.getByText(/signed in here as Bob Baker/).waitFor()
  await page.getByRole('button', { name: 'Switch to Alice Archer' }).click()
  await seesSignedIn(page, 'Alice Archer')
})

test('a browser without passkeys says so, and leads to another way', async (t) => {
  const page = await stage.visit(t)
  await page.addInitScript(() => Reflect.deleteProperty(window, 'PublicKeyCredential'))
  await page.goto('/login?return_to=%2Faccount')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await page.getByText('This browser has no passkeys.').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Use a passkey' }).isDisabled(), true)
  await page.getByRole('link', { name: 'Sign in another way' }).click()
  assert.equal(pathOf(page), '/login?return_to=%2Faccount')
})

test('without scripts the page says what is missing', async (t) => {
  const page = await stage.visit(t, { javaScriptEnabled: false })
  await page.goto('/login')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await page.getByText('This page needs a script of ours, which has not run.').waitFor()
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await sees(page, 'This passkey was not accepted')
})
