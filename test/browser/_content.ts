import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Page } from 'playwright-core'
import { seedSaml } from '../../dev/seed.ts'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { addPasskey } from '../../src/accounts/passkeys.ts'
import type { Site } from './_site.ts'
import { callbackOf, isSignedIn } from './_visitor.ts'

/** The values of the placeholders in the paths of routes, each of something that is there. */
export type Content = Readonly<Record<string, string>>

/** Sends one of our forms without its page, as whoever is signed in. Answers where it leads, or the page. */
export async function send(
  page: Page,
  { origin }: Site,
  path: string,
  form: Record<string, string> = {},
): Promise<{ readonly to: string; readonly text: string }> {
  const options = { headers: { origin }, form, maxRedirects: 0 }
  const answer = await page.context().request.post(origin + path, options)
  const text = await answer.text()
  assert.ok(answer.status() < 400, `${path}: ${answer.status()} ${text.slice(0, 2000)}`)
  return { to: answer.headers()['location'] ?? '', text }
}

/**
 * Has Acme lived in: members in every role, somebody who was refused, an invitation, three connections in different
 * states, a domain, recovery codes, rules, a passkey. The browser ends signed in as Alice, who owns it.
 */
export async function liveIn(page: Page, site: Site): Promise<Content> {
  const { services } = site.sallyport
  const { db, clock } = services
  const base = '/organizations/acme'
  const { id: organization } = await row('organizations', 'slug', 'acme')
  await seedSaml(services, site.provider, {
    connectionId: site.connectionId,
    organizationId: organization,
  })
  for (const person of ['bob', 'dave', 'carol', 'alice']) {
    await page.context().clearCookies()
    if (person === 'carol') await page.context().request.get(await callbackOf(page, site, person))
    else await isSignedIn(page, site, person)
  }
  const { id: saml } = await row('connections', 'kind', 'saml')
  const { id: alice } = await row('users', 'name', 'Alice Archer')
  const { id: person } = await row('users', 'name', 'Bob Baker')
  const address = 'alice@home.example'
  await addVerifiedEmail(db, { userId: alice, address, primary: false }, clock.now())
  const made = {
    credentialId: randomBytes(16).toString('base64url'),
    publicKey: randomBytes(32),
    counter: 0,
    transports: [],
    backedUp: true,
  }
  await db
    .transaction()
    .execute((tx) => addPasskey(tx, { userId: alice, name: 'Laptop', made }, clock.now()))
  const invited = { address: 'erin@acme.example', role: 'admin' }
  await send(page, site, `${base}/invitations`, invited)
  const { to } = await send(page, site, `${base}/connections`, { preset: 'okta', name: '' })
  const draft = /connections\/([^/]+)\/settings/.exec(to)?.[1] ?? assert.fail(to)
  const link = await send(page, site, `${base}/connections/${draft}/links`)
  const token = /\/setup\/([\w-]+)/.exec(link.text)?.[1] ?? assert.fail(link.text)
  const claimed = await send(page, site, `${base}/domains`, { domain: 'acme.example' })
  await send(page, site, `${base}/recovery`)
  await send(page, site, `${base}/joining/${site.connectionId}`, {
    provisioning: 'everybody',
    rules: 'admin: groups = Administrators',
    choice: 'save',
  })
  const { id: identity } = await row('identities', 'user_id', alice)
  const { id: passkey } = await row('passkeys', 'user_id', alice)
  const { id: attempt } = await row('attempts', 'outcome', 'refused')
  return {
    org: 'acme',
    organization,
    connection: site.connectionId,
    saml,
    draft,
    person,
    identity,
    passkey,
    attempt,
    token,
    domain: claimed.to.split('/').at(-1)!,
  }

  async function row(table: string, column: string, value: string): Promise<{ id: string }> {
    const query = db.selectFrom(table as 'users').select('id')
    return query
      .where(column as 'name', '=', value)
      .orderBy('id')
      .executeTakeFirstOrThrow()
  }
}
