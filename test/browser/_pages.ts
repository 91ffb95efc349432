import type { Page } from 'playwright-core'
import { minutes } from '../../src/lib/clock.ts'
import { routes } from '../../src/routes.ts'
import type { Content } from './_content.ts'
import type { Site } from './_site.ts'
import { callbackOf, choose, followMail, isSignedIn, sees } from './_visitor.ts'

/** Every page there is, by the path of its route, or what else it is. */
export interface PageOf {
  readonly name: string
  /** Whose browser it is shown in: Alice's, who owns Acme, or somebody's who has never been here. */
  readonly as: 'owner' | 'nobody'
  /** Goes there, in a state with something to see. */
  open(page: Page, site: Site, content: Content): Promise<unknown>
}

type Way = PageOf['open']

/** What answers a GET and is no page. */
const noPages = [
  /^\/(me|verify|healthz|readyz|version)\b/,
  /^\/(api|assets|scim)\//,
  /\.jsonl$/,
  /^\/sso\/:connection\/(metadata|slo|frontchannel-logout)$/,
]

/** What cannot be opened by its address alone. */
const ways: Readonly<Record<string, Way>> = {
  '/login/mail/:handle': async (page) => {
    await page.goto('/login/mail')
    await page.getByLabel('Your e-mail address').fill('fay@home.example')
    await page.getByRole('button', { name: 'Send me a link' }).click()
    await followMail(page, 'fay@home.example', 'Sign in to')
    await sees(page, 'Sign in')
  },
  '/login/passkey/finish': async (page) => {
    await page.goto('/login')
    // It would ask an authenticator at once.
    await page.route('**/assets/**.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: '' }),
    )
    await page.getByRole('button', { name: 'Use a passkey' }).click()
    await sees(page, 'Use a passkey')
  },
  '/sso/:connection/callback': async (page, site) => {
    await page.goto(await callbackOf(page, site, 'carol'))
    await sees(page, 'The sign-in was cancelled')
  },
  '/sso/:connection/continue': async (page, site) => {
    await isSignedIn(page, site, 'bob')
    await page.context().clearCookies({ domain: '127.0.0.1' })
    await page.goto(await callbackOf(page, site, 'dave'))
    await sees(page, 'Switch account?')
  },
  '/register': async (page, site) => {
    await becomeGuest(page, site)
    await page.goto(await callbackOf(page, site, 'erin'))
    await sees(page, 'Create your account')
  },
  '/claim': async (page, site) => {
    await becomeGuest(page, site)
    await page.goto(await callbackOf(page, site, 'bob'))
    await sees(page, 'Take your work with you?')
  },
  '/link': async (page, site) => {
    await isSignedIn(page, site, 'bob')
    await page.goto('/account')
    const row = page.getByRole('listitem').filter({ hasText: 'Acme SAML' })
    await row.getByRole('button', { name: 'Link' }).click()
    await choose(page, 'Bob')
    await sees(page, 'Link this sign-in to your account?')
  },
  '/account/verify/:handle': async (page) => {
    await page.goto('/account')
    await page.getByRole('button', { name: 'Verify this address' }).first().click()
    await followMail(page, 'alice@acme.example', 'Verify')
    await sees(page, 'Verify your address')
  },
  '/invitations/:token': async (page) => {
    await followMail(page, 'erin@acme.example', 'You are invited')
    await sees(page, 'Join Acme')
  },
  '/interrupted': async (page, site) => {
    const { db, node, clock } = site.sallyport.services
    await page.goto('/organizations/acme/invitations')
    await page.getByLabel('E-mail address').fill('gus@acme.example')
    const agoOf = async (age: number) => {
      const authenticated_at = new Date(clock.now().getTime() - age)
      await db.updateTable('sessions').set({ authenticated_at }).execute()
      node.memory.clear(node.memory.position)
    }
    await agoOf(minutes(60))
    await page.getByRole('button', { name: 'Send the invitation' }).click()
    await page
      .getByRole('button', { name: /^Continue with/ })
      .first()
      .click()
    await choose(page, 'Alice')
    await sees(page, 'Go on where you were?')
    await agoOf(0)
  },
  '/organizations/:org/connections/:connection/test': async (page, _site, { connection }) => {
    await page.goto(`/organizations/acme/connections/${connection}`)
    await page.getByRole('button', { name: 'Test sign-in' }).click()
    await sees(page, 'The test sign-in worked')
  },
  '/organizations/:org/connections/:connection/delete': (page, _site, { draft }) =>
    page.goto(`/organizations/acme/connections/${draft}/delete`),
  '/setup/:token/test': async (page, _site, { token }) => {
    await page.goto(`/setup/${token}/test`)
  },
}

/** Pages without a route of their own, as somebody sees them who has never been here. */
const nobodys: Readonly<Record<string, Way>> = {
  'the sign-in page of an organization': (page) => page.goto('/login/acme'),
  'the choice of an organization': (page) => page.goto('/login?other=1'),
  'a page that is not there': (page) => page.goto('/nowhere'),
  'the way to the provider': async (page) => {
    await page.route('**/start', async (route) => {
      const response = await route.fetch()
      const { refresh: _, ...headers } = response.headers()
      await route.fulfill({ response, headers })
    })
    await page.goto('/login/acme')
    await page
      .getByRole('button', { name: /^Continue with/ })
      .first()
      .click()
    await page.getByRole('link', { name: 'Continue' }).waitFor()
  },
  'the provider: its people': (page, site) => page.goto(site.provider.issuer),
  'the provider: its applications': (page, site) =>
    page.goto(`${site.provider.issuer}/applications`),
  'the provider: who are you': async (page) => {
    await page.goto('/login/acme')
    await page
      .getByRole('button', { name: /^Continue with/ })
      .first()
      .click()
    await sees(page, 'Who are you?')
  },
  'development: the mailbox': (page) => page.goto('/dev/mailbox'),
  'development: a mail': (page) => page.goto('/dev/mailbox/invitation'),
  'development: the people one can be': (page) => page.goto('/autosession'),
  'development: all states': (page) => page.goto('/dev/states'),
  'sign-in, as a guest': async (page, site) => {
    await becomeGuest(page, site)
    await page.goto('/login')
  },
  'the question before a guest’s session ends': async (page, site) => {
    await becomeGuest(page, site)
    await page.goto('/logout')
  },
  'a sign-in that took too long': async (page, site) => {
    const callback = await callbackOf(page, site, 'alice')
    site.clock.ahead = minutes(11)
    await page.goto(callback)
    site.clock.ahead = 0
  },
  'a sign-in that is not known': (page, site) => page.goto(`/sso/${site.connectionId}/callback`),
  'development: a state entered': async (page) => {
    await page.goto('/dev/states')
    await page.locator('form[action="/dev/states/2"] button').click()
    await sees(page, 'This browser is in row 2')
  },
}

/** And as Alice does. */
const owners: Readonly<Record<string, Way>> = {
  'a draft': (page, _site, { draft }) => page.goto(`/organizations/acme/connections/${draft}`),
  'the settings of a draft': (page, _site, { draft }) =>
    page.goto(`/organizations/acme/connections/${draft}/settings`),
  'settings that were refused': async (page, _site, { draft }) => {
    await page.goto(`/organizations/acme/connections/${draft}/settings`)
    for (const field of await page.locator('main input').all()) await field.fill('not this')
    await page.getByRole('button', { name: 'Check and save' }).click()
    await page.getByRole('alert').waitFor()
  },
  'a connection by SAML': (page, _site, { saml }) =>
    page.goto(`/organizations/acme/connections/${saml}`),
  'new recovery codes': async (page) => {
    await page.goto('/organizations/acme/recovery')
    await page.getByRole('button', { name: /codes$/ }).click()
    await sees(page, 'New recovery codes')
  },
  'a set-up link': async (page, _site, { draft }) => {
    await page.goto(`/organizations/acme/connections/${draft}`)
    await page.getByRole('button', { name: 'Make a set-up link' }).click()
    await sees(page, 'Pass this link on')
  },
  'every sign-in': (page) => page.goto('/organizations/acme/sign-ins?outcome=all'),
  'the first page, signed in': (page) => page.goto('/'),
  'all states, signed in': (page) => page.goto('/dev/states'),
  'members who are not there': (page) => page.goto('/organizations/acme/members?name=nobody'),
}

/** Whose browser a page is shown in, where its route says otherwise: signing in is a part of the way to it, or is not. */
const exceptions: Readonly<Record<string, PageOf['as']>> = {
  '/logout': 'owner',
  '/claim': 'nobody',
}

const withRoutes = Object.values(routes)
  .filter(({ method, path }) => method === 'GET' && !noPages.some((no) => no.test(path)))
  .map(({ path, access }): PageOf => ({
    name: path,
    as: exceptions[path] ?? (access === 'public' ? 'nobody' : 'owner'),
    open: ways[path] ?? ((page, _site, content) => page.goto(addressOf(path, content))),
  }))

function named(as: PageOf['as'], pages: Readonly<Record<string, Way>>): readonly PageOf[] {
  return Object.entries(pages).map(([name, open]) => ({ name, as, open }))
}

/** Every page. */
export const everyPage: readonly PageOf[] = [
  ...withRoutes,
  ...named('nobody', nobodys),
  ...named('owner', owners),
]

/** Pages of SAML are about the connection that speaks it. */
function addressOf(path: string, content: Content): string {
  const saml = path.includes('/saml')
  const special: Content = saml
    ? { connection: content['saml']!, act: 'prepare' }
    : { act: 'framed' }
  return path.replace(/:(\w+)/g, (_, name: string) => {
    const value = special[name] ?? content[name]
    if (!value) throw new Error(`${path}: there is nothing to show for :${name}`)
    return value
  })
}

async function becomeGuest(page: Page, { origin }: Site): Promise<void> {
  await page.context().request.post(`${origin}/guest`, { headers: { origin } })
}
