import assert from 'node:assert/strict'
import { after, before, type TestContext } from 'node:test'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { launchChromium } from './_chromium.ts'
import { startSite, type Site, type SiteOptions } from './_site.ts'

/** What a test may choose about a person's browser. */
export interface VisitOptions extends BrowserContextOptions {
  /** Complaints of the browser that belong to the story. @default none */
  readonly expected?: RegExp
}

/** What a file of stories takes place on: one site, one Chromium. */
export interface Stage {
  readonly site: Site
  readonly browser: Browser
  /**
   * A person's browser, knowing nothing yet, with one empty page. When the test ends it is closed, and the test fails if
   * anything was amiss on any page: an error on the console, a blocked resource, a request that left for elsewhere.
   */
  visit(t: TestContext, options?: VisitOptions): Promise<Page>
}

/** Sets the stage for the tests of this file, and clears it after them. */
export function setStage(options: SiteOptions = {}): Stage {
  let site: Site | undefined
  let browser: Browser | undefined
  before(async () => {
    site = await startSite(options)
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await site?.close()
  })
  return {
    get site() {
      return site!
    },
    get browser() {
      return browser!
    },
    visit: (t, options) => visit(t, browser!, site!, options),
  }
}

async function visit(
  t: TestContext,
  browser: Browser,
  site: Site,
  { expected, ...options }: VisitOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ baseURL: site.origin, ...options })
  context.setDefaultTimeout(20_000)
  const complaints = watch(context, [site.origin, site.provider.issuer])
  t.after(async () => {
    await context.close()
    assert.deepEqual(
      complaints.filter((complaint) => !expected?.test(complaint)),
      [],
    )
  })
  return context.newPage()
}

function watch(context: BrowserContext, origins: readonly string[]): readonly string[] {
  const complaints: string[] = []
  const navigations = new Set<string>()
  context.on('request', (request) => {
    const url = new URL(request.url())
    if (request.isNavigationRequest()) navigations.add(url.href)
    if (!origins.includes(url.origin)) complaints.push(`asked ${url.href}`)
  })
  context.on('console', (message) => {
    const { url } = message.location()
    // Chromium also tells of pages that are not a 200, which is no fault of theirs.
    const refusal = /^Failed to load resource: .* status of [45]/.test(message.text())
    if (refusal && navigations.has(url)) return
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.text()} ${url}`)
  })
  context.on('weberror', (error) => complaints.push(String(error.error())))
  return complaints
}

/** Goes from the sign-in page of Acme to the provider, and there chooses a person, by first name. */
export async function signIn(page: Page, name = 'Alice', path = '/login'): Promise<void> {
  await leave(page, path)
  await choose(page, name)
}

/** Goes from the sign-in page of Acme to the provider. */
export async function leave(page: Page, path = '/login'): Promise<void> {
  await page.goto(path)
  await page.getByRole('button', { name: /^Continue with/ }).click()
}

/** At the provider: who one is, by first name. */
export async function choose(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: new RegExp(`^${name}`) }).click()
}

/** Waits until a page says that this person is signed in. */
export async function seesSignedIn(page: Page, name: string): Promise<void> {
  await page.getByRole('banner').getByRole('link', { name }).waitFor()
}

/** Waits for a page's heading. */
export async function sees(page: Page, heading: string | RegExp): Promise<void> {
  await page.getByRole('heading', { name: heading, level: 1 }).waitFor()
}

/** Waits until a mail is in the mailbox, and follows its link. */
export async function followMail(page: Page, to: string, subject: string): Promise<void> {
  const mail = page.getByRole('listitem').filter({ hasText: to }).filter({ hasText: subject })
  const giveUp = Date.now() + 30_000
  for (;;) {
    await page.goto('/dev/mailbox')
    if ((await mail.count()) > 0) break
    const arrived = page.getByRole('region', { name: 'Arrived' })
    assert.ok(Date.now() < giveUp, `${subject} for ${to} is not in: ${await arrived.innerText()}`)
  }
  await mail.first().getByRole('link', { name: 'Read' }).click()
  await page.getByRole('link', { name: 'Follow its link' }).click()
}

/** Where a page is, without the origin. */
export function pathOf(page: Page): string {
  const { pathname, search } = new URL(page.url())
  return `${pathname}${search}`
}

/** Signs in without pages, as far as the address to come back to. `person` is an id at the provider. */
export async function callbackOf(page: Page, site: Site, person: string): Promise<string> {
  const { request } = page.context()
  const left = await request.post(`${site.origin}/sso/${site.connectionId}/start`, {
    headers: { origin: site.origin },
    form: { return_to: '/' },
  })
  const asked = await request.get(left.headers()['refresh']!.replace(/^0; url=/, ''))
  const chosen = await request.post(`${asked.url()}/sign-in/${person}`, { maxRedirects: 0 })
  const back = await request.get(chosen.headers()['location']!, { maxRedirects: 0 })
  return back.headers()['location']!
}

/** Signs in without pages, for stories that begin later. */
export async function isSignedIn(page: Page, site: Site, person: string): Promise<void> {
  const back = await page.context().request.get(await callbackOf(page, site, person))
  assert.equal(back.status(), 200)
}
