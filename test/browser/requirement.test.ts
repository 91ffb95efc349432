import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { pathOf, sees, seesSignedIn, setStage, signIn } from './_visitor.ts'

const stage = setStage({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })

/** Alice, signed in through Acme's provider, owns Acme and has verified an address. */
async function ownerOf(page: Page): Promise<void> {
  const { services } = stage.site.sallyport
  const now = services.clock.now()
  await signIn(page)
  await seesSignedIn(page, 'Alice')
  const { id: userId } = await services.db
    .selectFrom('users')
    .select('id')
    .where('name', 'like', 'Alice%')
    .executeTakeFirstOrThrow()
  const { id: organizationId } = await services.db
    .selectFrom('organizations')
    .select('id')
    .where('slug', '=', 'acme')
    .executeTakeFirstOrThrow()
  await changeRole(services, { organizationId, userId, role: 'owner' }, {}, now)
  const address = 'alice@home.example'
  await addVerifiedEmail(services.db, { userId, address, primary: false }, now)
}

/** Follows the newest link for signing in. */
async function openMailedLink(page: Page): Promise<void> {
  for (;;) {
    await page.goto('/dev/mailbox')
    if ((await page.getByText('alice@home.example').count()) > 0) break
  }
  await page.getByRole('link', { name: 'Read' }).first().click()
  await page.getByRole('link', { name: 'See it as a mail program shows it' }).click()
  await page.getByRole('link', { name: 'Sign in', exact: true }).click()
  await page.getByRole('button', { name: 'Sign in' }).click()
}

test('an owner requires the organization’s sign-in, and gets past it with a code when it is broken', async (t) => {
  const page = await stage.visit(t)
  await ownerOf(page)
  await page.goto('/organizations/acme/policy')
  await page.getByRole('link', { name: 'Require its own sign-in' }).click()
  await sees(page, 'Required sign-in')
  await page.getByText('No owner has recovery codes').waitFor()
  await page.getByRole('link', { name: 'Your recovery codes' }).click()
  await page.getByRole('button', { name: 'Make codes' }).click()
  await sees(page, 'New recovery codes')
  const codes = await page
    .getByRole('listitem')
    .getByText(/^[0-9a-z]{4}-/)
    .allTextContents()
  assert.equal(codes.length, 10)
  await page.getByRole('link', { name: 'I have kept them' }).click()
  await page.getByText('Everything is ready').waitFor()
  await page.getByRole('link', { name: 'Require it' }).click()
  await page.getByText('have linked it').or(page.getByText('has linked it')).waitFor()
  await page.getByRole('button', { name: 'Require it for everybody' }).click()
  await page.getByText('Who is locked out').waitFor()

  const elsewhere = await stage.visit(t)
  await elsewhere.goto('/login/acme')
  assert.equal(await elsewhere.getByRole('link', { name: 'Sign in by mail' }).count(), 0)
  await elsewhere.getByRole('link', { name: 'Its sign-in is broken, and I own it' }).click()
  await elsewhere.getByRole('link', { name: 'Sign in by mail' }).click()
  await elsewhere.getByLabel('Your e-mail address').fill('alice@home.example')
  await elsewhere.getByRole('button', { name: 'Send me a link' }).click()
  await openMailedLink(elsewhere)
  await elsewhere.getByLabel('Your code').fill(codes[0]!)
  await elsewhere.getByRole('button', { name: 'Get in' }).click()
  await sees(elsewhere, 'Required sign-in')
  await elsewhere.getByRole('button', { name: 'Stop requiring it' }).click()
  await elsewhere.getByText('Who would be locked out').waitFor()
})

test('an administrator adds a domain and sees the record to copy', async (t) => {
  const page = await stage.visit(t)
  await ownerOf(page)
  await page.goto('/organizations/acme/domains')
  await page.getByLabel('The domain').fill('gmail.com')
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByText('Anybody can have an address there').waitFor()
  await page.getByLabel('The domain').fill('Acme.Example')
  await page.getByRole('button', { name: 'Add it' }).click()
  await sees(page, 'acme.example')
  await page.getByText('_sallyport-challenge.acme.example').waitFor()
  assert.match(pathOf(page), /^\/organizations\/acme\/domains\/[0-9a-f-]{36}$/)
})
