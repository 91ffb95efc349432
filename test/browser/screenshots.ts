// Pictures of the pages. `npm run screenshots` makes those that the documents show; with a folder, every page there is in
// light and dark, wide and narrow: `npm run screenshots -- /tmp/pages`, and with a word more only those whose name has it.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { startTestServer } from '../_database.ts'
import { launchChromium } from './_chromium.ts'
import { liveIn, type Content } from './_content.ts'
import { everyPage, type PageOf } from './_pages.ts'
import { startSite, type Site } from './_site.ts'
import { isSignedIn } from './_visitor.ts'

const images = fileURLToPath(new URL('../../docs/images/', import.meta.url))

/** What documents show, by the name of the picture. */
const shown: Readonly<Record<string, string>> = {
  welcome: '/',
  account: '/account',
  connections: '/organizations/:org/connections',
  'connection-settings': '/organizations/:org/connections/:connection/settings',
  'connection-test': '/organizations/:org/connections/:connection/test',
  members: '/organizations/:org/members',
  audit: '/organizations/:org/audit',
}

const widths = [1280, 360]
const schemes = ['light', 'dark'] as const

interface Studio {
  readonly browser: Browser
  readonly site: Site
  readonly content: Content
}

const [folder, word = ''] = process.argv.slice(2)
const server = await startTestServer()
const site = await startSite({
  env: {
    SALLYPORT_PERSONAL_SIGN_IN: 'everybody',
    SALLYPORT_ORGANIZATIONS: 'anybody',
    SALLYPORT_GUESTS: 'on',
  },
})
const browser = await launchChromium()
try {
  const context = await browser.newContext({ baseURL: site.origin })
  const content = await liveIn(await context.newPage(), site)
  await context.close()
  const studio = { browser, site, content }
  await (folder ? takeAll(studio, folder) : takeShown(studio))
} finally {
  await browser.close()
  await site.close()
  await server.stop()
}

async function takeShown(studio: Studio): Promise<void> {
  for (const [picture, name] of Object.entries(shown)) {
    const found = everyPage.find((one) => one.name === name)
    if (!found) throw new Error(`There is no page ${name} any more.`)
    await opened(studio, found, { width: 1000, height: 700 }, async (page) => {
      await writeFile(join(images, `${picture}.png`), await page.screenshot())
    })
  }
}

async function takeAll(studio: Studio, into: string): Promise<void> {
  await mkdir(into, { recursive: true })
  for (const found of everyPage.filter(({ name }) => name.includes(word))) {
    const file = found.name.replaceAll(/[^\w]+/g, '-').replaceAll(/^-|-$/g, '') || 'home'
    try {
      await opened(studio, found, { width: 1280, height: 800 }, async (page) => {
        for (const width of widths)
          for (const colorScheme of schemes) {
            await page.setViewportSize({ width, height: width > 500 ? 800 : 640 })
            await page.emulateMedia({ colorScheme })
            const picture = await page.screenshot({ fullPage: true })
            await writeFile(join(into, `${file}.${width}.${colorScheme}.png`), picture)
          }
      })
    } catch (error) {
      console.error(`${found.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

async function opened(
  { browser, site, content }: Studio,
  { as, open }: PageOf,
  viewport: { width: number; height: number },
  look: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ baseURL: site.origin, viewport })
  context.setDefaultTimeout(20_000)
  try {
    const page = await context.newPage()
    if (as === 'owner') await isSignedIn(page, site, 'alice')
    await open(page, site, content)
    await look(page)
  } finally {
    await context.close()
  }
}
