import { test, type TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { startDevelopmentProvider } from '../../dev/provider.ts'
import { connectSignals } from '../../dev/signals.ts'
import { createConnection, findConnection, setSigningOut } from '../../src/accounts/connections.ts'
import { redirectUriOf } from '../../src/flows/login.ts'
import { isSignedIn, sees, seesSignedIn, setStage } from './_visitor.ts'

const stage = setStage()

/** Bob signed in through a provider of that name, whose page may end sessions in a frame. */
async function signedInThrough(
  t: TestContext,
  host: 'localhost' | '127.0.0.1',
): Promise<{ page: Page; at: string }> {
  const { origin, connectionId, sallyport } = stage.site
  const { db, sealer, clock } = sallyport.services
  const provider = await startDevelopmentProvider({ host, redirectUris: [] })
  t.after(() => provider.close())
  const { organization } = (await findConnection(db, connectionId))!
  const { issuer, clientId, clientSecret } = provider
  const made = {
    organizationId: organization.id,
    kind: 'oidc',
    name: `At ${host}`,
    settings: { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' },
    provisioning: 'everybody',
  } as const
  const id = await createConnection(db, sealer, made, clock.now())
  provider.addRedirectUri(redirectUriOf(origin, id))
  await connectSignals(sallyport.services, id, provider)
  const by = { actorId: undefined, requestId: undefined }
  const connection = (await findConnection(db, id))!
  await setSigningOut(db, connection, { frontchannelLogout: true }, by, clock.now())
  const page = await stage.visit(t, { expected: /asked http|frame-ancestors|status of 400/ })
  await isSignedIn(page, { ...stage.site, connectionId: id }, 'bob')
  await page.goto('/account')
  await seesSignedIn(page, 'Bob Baker')
  return { page, at: issuer }
}

/** Has the provider's page open our address in a frame. */
async function press(page: Page, at: string): Promise<void> {
  await page.goto(at)
  await page.getByLabel('Tell applications about Bob Baker').click()
  const framed = page.waitForEvent('requestfinished', (request) =>
    request.url().includes('/frontchannel-logout'),
  )
  const failed = page.waitForEvent('requestfailed', (request) =>
    request.url().includes('/frontchannel-logout'),
  )
  await page.getByRole('button', { name: 'Front-channel logout: Bob Baker' }).click()
  await Promise.race([framed, failed])
}

test('BCL-08 where provider and application share a site, its page signs this browser out', async (t) => {
  const { page, at } = await signedInThrough(t, 'localhost')
  await press(page, at)
  await page.frameLocator('iframe').getByRole('heading', { name: 'You are signed out' }).waitFor()
  await page.goto('/account')
  await page
    .getByRole('button', { name: /^Continue with/ })
    .first()
    .waitFor()
})

test('BCL-08 from another site our cookie does not come along, so nothing ends', async (t) => {
  const { page, at } = await signedInThrough(t, '127.0.0.1')
  await press(page, at)
  await sees(page, 'Front-channel logout')
  await page.goto('/account')
  await seesSignedIn(page, 'Bob Baker')
})
