import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { choose, followMail, pathOf, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage({
  env: { SALLYPORT_PERSONAL_SIGN_IN: 'everybody', SALLYPORT_ORGANIZATIONS: 'anybody' },
})

const base = '/organizations/labs'

/** Asks for a link by mail on the page where the browser is, and follows it. */
async function signInByMail(page: Page, address: string): Promise<void> {
  await page.getByRole('link', { name: 'Sign in by mail' }).click()
  await page.getByLabel('Your e-mail address').fill(address)
  await page.getByRole('button', { name: 'Send me a link' }).click()
  await sees(page, 'Look into your mail')
  await followMail(page, address, 'Sign in to')
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function makeAccount(page: Page, name: string): Promise<void> {
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Create account' }).click()
  await seesSignedIn(page, name)
}

/** From the list of connections to the settings of a new one. */
async function begin(page: Page, preset: string, name: string): Promise<void> {
  await page.goto(`${base}/connections`)
  await page.getByLabel('Your identity provider').selectOption({ label: preset })
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Begin' }).click()
  await sees(page, `Set up ${name}`)
}

/** One of the values of a list of names and values. */
function valueOf(page: Page, name: string): Promise<string> {
  const after = page.locator('dt').filter({ hasText: new RegExp(`^${name}$`) })
  return after.locator('xpath=following-sibling::dd[1]').innerText()
}

/** At the organization's sign-in, where nothing else is left. */
async function continueWithSaml(page: Page, person: string, heading: RegExp): Promise<void> {
  assert.equal(await page.getByRole('button', { name: 'Continue with Labs ID' }).count(), 0)
  await page.getByRole('button', { name: 'Continue with Labs SAML' }).click()
  await choose(page, person)
  await sees(page, heading)
}

/** At the page of one's account: one more way in, at the provider as the same person. */
async function linkOn(page: Page, connection: string, person: string): Promise<void> {
  await page.goto('/account')
  const row = page.getByRole('listitem').filter({ hasText: connection })
  await row.getByRole('button', { name: 'Link' }).click()
  await choose(page, person)
  await sees(page, 'Link this sign-in to your account?')
  await page.getByRole('button', { name: 'Link it to my account' }).click()
  await sees(page, 'Your account')
  await row.getByRole('link', { name: 'Unlink' }).waitFor()
}

test('S0-19 S0-20 S0-21 an organization from nothing to its second provider, and everybody still gets in', async (t) => {
  /** Later ones rest on earlier ones: the first that fails ends the story. */
  const chapter = async (name: string, tell: () => Promise<void>): Promise<void> => {
    t.diagnostic(name)
    await tell()
  }
  const alice = await stage.visit(t)
  const { issuer, saml } = stage.site.provider

  await chapter('Alice makes an organization', async () => {
    await alice.goto('/login')
    await signInByMail(alice, 'alice@acme.example')
    await makeAccount(alice, 'Alice Archer')
    await alice.goto('/account')
    await alice.getByRole('link', { name: 'New organization' }).click()
    await alice.getByLabel('Name', { exact: true }).fill('Acme Labs')
    await alice.getByLabel('Short name').fill('labs')
    await alice.getByRole('button', { name: 'Make it' }).click()
    await sees(alice, 'Acme Labs')
  })

  await chapter('she connects its provider by OpenID Connect', async () => {
    await alice.getByRole('main').getByRole('link', { name: 'Connect a provider' }).click()
    await sees(alice, 'Ways to sign in')
    await begin(alice, 'OpenID Connect', 'Labs ID')
    const redirectUri = await alice.locator('pre').first().innerText()

    const provider = await alice.context().newPage()
    await provider.goto(`${issuer}/applications`)
    await provider.getByLabel('Redirect URI').fill(redirectUri.trim())
    await provider.getByRole('button', { name: 'Register it' }).click()
    await sees(provider, 'Registered')
    const [clientId, clientSecret] = await Promise.all(
      ['Client ID', 'Client secret'].map((name) => valueOf(provider, name)),
    )
    await provider.close()

    await alice.getByLabel('Issuer').fill(`${issuer}/nowhere`)
    await alice.getByLabel('Client ID').fill(clientId!)
    await alice.getByLabel('Client secret').fill(clientSecret!)
    await alice.getByRole('button', { name: 'Check and save' }).click()
    await alice.getByRole('alert').getByText('This cannot work yet').waitFor()
    await alice.getByLabel('Issuer').fill(issuer)
    await alice.getByLabel('Client secret').fill(clientSecret!)
    await alice.getByRole('button', { name: 'Check and save' }).click()
    await sees(alice, /Labs ID/)
  })

  await chapter('she tests it, sees what it says of her, and switches it on', async () => {
    await alice.getByRole('button', { name: 'Test sign-in' }).click()
    await choose(alice, 'Alice')
    await sees(alice, 'The test sign-in worked')
    assert.equal(await valueOf(alice, 'Identifier'), 'alice')
    assert.equal(await valueOf(alice, 'Address'), 'alice@acme.example')
    await alice.getByRole('button', { name: 'Link it to my account' }).click()
    await sees(alice, /Labs ID/)
    await alice.getByRole('button', { name: 'Switch it on' }).click()
    await alice.getByRole('heading', { name: 'It is in use' }).waitFor()
  })

  await chapter('she invites two people', async () => {
    await alice.getByRole('link', { name: 'Invitations', exact: true }).click()
    for (const address of ['bob@acme.example', 'dave@acme.example']) {
      await alice.getByLabel('E-mail address').fill(address)
      await alice.getByRole('button', { name: 'Send the invitation' }).click()
      await alice.getByRole('listitem').filter({ hasText: address }).waitFor()
    }
  })

  const bob = await stage.visit(t)
  await chapter('Bob, who signs in by himself, accepts', async () => {
    await followMail(bob, 'bob@acme.example', 'You are invited to Acme Labs')
    await sees(bob, 'Join Acme Labs')
    await signInByMail(bob, 'bob@acme.example')
    await makeAccount(bob, 'Bob Baker')
    await bob.getByRole('button', { name: 'Accept as Bob Baker' }).click()
    await bob.getByRole('listitem').filter({ hasText: 'labs' }).first().waitFor()
    await bob.goto(base)
    await sees(bob, 'Acme Labs')
  })

  await chapter('she requires it, and is shown who has yet to link', async () => {
    await alice.getByRole('link', { name: 'Policy', exact: true }).click()
    await alice.getByRole('link', { name: 'Require its own sign-in' }).click()
    await alice.getByRole('listitem').filter({ hasText: 'Bob Baker' }).waitFor()
    await alice.getByRole('link', { name: 'Sign in through it now' }).click()
    await alice.getByRole('button', { name: 'Continue with Labs ID' }).click()
    await sees(alice, 'Required sign-in')
    await alice.getByRole('link', { name: 'Make recovery codes' }).click()
    await alice.getByRole('button', { name: 'Make codes' }).click()
    await alice.getByRole('link', { name: 'I have kept them' }).click()
    await alice.getByRole('link', { name: 'Require it' }).click()
    await alice.getByText('1 of 2 members have not linked it').waitFor()
    await alice.getByRole('button', { name: 'Require it for everybody' }).click()
    await alice.getByRole('heading', { name: 'Who is locked out' }).waitFor()
  })

  await chapter('Bob is led to the organization’s sign-in and links his account', async () => {
    await bob.goto(base)
    await sees(bob, 'Welcome back')
    await bob.getByText('asks for its own sign-in').waitFor()
    await bob.getByRole('button', { name: 'Continue with Labs ID' }).click()
    await choose(bob, 'Bob')
    await sees(bob, 'Link this sign-in to your account?')
    await bob.getByRole('button', { name: 'Link it to my account' }).click()
    await sees(bob, 'Acme Labs')
    assert.equal(pathOf(bob), base)
  })

  const dave = await stage.visit(t)
  await chapter('Dave is new, and joins with his invitation', async () => {
    await followMail(dave, 'dave@acme.example', 'You are invited to Acme Labs')
    await dave.getByRole('button', { name: 'Continue with Labs ID' }).click()
    await choose(dave, 'Dave')
    await seesSignedIn(dave, 'Dave Dyer')
    await dave.goto(base)
    await sees(dave, 'Acme Labs')
  })

  await chapter('she connects SAML beside it, tests it and switches it on', async () => {
    await begin(alice, 'SAML 2.0', 'Labs SAML')
    await alice.getByLabel('Metadata address').fill(saml.entityId)
    await alice.getByLabel(/^Name/).fill('name')
    await alice.getByLabel(/^Address/).fill('email')
    await alice.getByLabel(/^Groups/).fill('role')
    await alice.getByRole('button', { name: 'Check and save' }).click()
    await sees(alice, /Labs SAML/)
    await alice.getByRole('button', { name: 'Test sign-in' }).click()
    await choose(alice, 'Alice')
    await sees(alice, 'The test sign-in worked')
    assert.equal(await valueOf(alice, 'Issuer'), saml.entityId)
    await alice.getByRole('button', { name: 'Link it to my account' }).click()
    await alice.getByRole('button', { name: 'Switch it on' }).click()
    await alice.getByRole('heading', { name: 'It is in use' }).waitFor()
    await alice.getByRole('link', { name: /^Who would be locked out/ }).click()
    await alice.getByText('2 would be locked out').waitFor()
    await alice.getByText('Signs in through Labs ID now').first().waitFor()
  })

  await chapter('everybody is told, and links themselves there', async () => {
    await followMail(bob, 'bob@acme.example', 'Link your account')
    await linkOn(bob, 'Labs SAML', 'Bob')
    await alice.goto(`${base}/connections`)
    await alice.getByRole('link', { name: 'Labs ID' }).click()
    await alice.getByRole('link', { name: 'Switch it off…' }).click()
    await sees(alice, 'Switch off Labs ID?')
    await alice.getByText('1 of them through no other connection in use').waitFor()
    await linkOn(dave, 'Labs SAML', 'Dave')
    await alice.reload()
    await alice.getByText('3 members are linked through it.').waitFor()
  })

  await chapter('she switches the first one off, and everybody gets in by the second', async () => {
    await alice.getByRole('button', { name: 'Switch it off' }).click()
    await alice.waitForURL(/\/login\/labs/)
    await continueWithSaml(alice, 'Alice', /Labs ID/)
    // They have signed in there already, in linking it.
    for (const page of [bob, dave]) {
      await page.goto(base)
      await sees(page, 'Acme Labs')
    }
    for (const person of ['Bob', 'Dave']) {
      const fresh = await stage.visit(t)
      await fresh.goto(`/login/labs?return_to=${base}`)
      await continueWithSaml(fresh, person, /Acme Labs/)
    }
    await alice.goto(`${base}/connections`)
    const first = alice.getByRole('listitem').filter({ hasText: 'Labs ID' })
    await first.getByText('Switched off').waitFor()
    await alice.goto(`${base}/members`)
    assert.equal(await alice.getByRole('listitem').filter({ hasText: 'Linked' }).count(), 3)
  })
})
