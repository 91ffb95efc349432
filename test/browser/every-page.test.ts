import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { liveIn, type Content } from './_content.ts'
import { everyPage } from './_pages.ts'
import { isSignedIn, pathOf, setStage } from './_visitor.ts'

const stage = setStage({
  env: {
    SALLYPORT_PERSONAL_SIGN_IN: 'everybody',
    SALLYPORT_ORGANIZATIONS: 'anybody',
    SALLYPORT_GUESTS: 'on',
  },
})

let lived: Promise<Content> | undefined

async function live(): Promise<Content> {
  const context = await stage.browser.newContext({ baseURL: stage.site.origin })
  const content = await liveIn(await context.newPage(), stage.site)
  await context.close()
  return content
}

for (const { name, as, open } of everyPage)
  test(`${name}: fits into 360 pixels and into a wide window, can be read in light and dark, and shows scripts no cookie`, async (t) => {
    const content = await (lived ??= live())
    const page = await stage.visit(t, { viewport: { width: 360, height: 640 } })
    if (as === 'owner') await isSignedIn(page, stage.site, 'alice')
    await open(page, stage.site, content)
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
    if (as === 'owner') assert.doesNotMatch(pathOf(page), /^\/login/)
    assert.ok((await page.title()).length > 0)
    assert.equal(await page.evaluate(() => document.cookie), '')
    await fits(page)
    assert.deepEqual(await page.evaluate(small), [])
    await page.setViewportSize({ width: 1280, height: 800 })
    await fits(page)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      assert.deepEqual(await page.evaluate(faint), [], colorScheme)
      const bright = await page.evaluate(brightness)
      assert.ok(colorScheme === 'light' ? bright > 200 : bright < 60, `${colorScheme}: ${bright}`)
    }
  })

async function fits(page: Page): Promise<void> {
  const { wanted, given } = await page.evaluate(() => ({
    wanted: document.documentElement.scrollWidth,
    given: document.documentElement.clientWidth,
  }))
  assert.ok(wanted <= given, `${wanted} pixels wide in ${given}`)
}

/** Runs in the page: what one acts on and a finger does not meet (WCAG 2.5.8); a tick has a label beside it. */
function small(): string[] {
  const targets = document.querySelectorAll('main :is(button, select, input, .button, nav a)')
  return [...targets].flatMap((target) => {
    const { width, height } = target.getBoundingClientRect()
    const least = target.matches('[type="checkbox"], [type="radio"]') ? 20 : 24
    const large = width >= least && height >= least
    return large || !target.checkVisibility() ? [] : [`${width} × ${height}: ${target.outerHTML}`]
  })
}

/** Runs in the page: text with too little contrast to what is behind it (WCAG 1.4.3), as it reads. */
function faint(): string[] {
  type Color = readonly [red: number, green: number, blue: number, alpha: number]
  const read = (text: string): Color => {
    const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number)
    return [red, green, blue, alpha]
  }
  const luminance = ([red, green, blue]: Color): number => {
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
      const part = value / 255
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element: Element | null): Color => {
    for (let one = element; one; one = one.parentElement) {
      const color = read(getComputedStyle(one).backgroundColor)
      if (color[3] > 0.99) return color
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1]
  }
  const found: string[] = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
    )
    if (!own || element.closest('svg, script, option') || !element.checkVisibility()) continue
    const style = getComputedStyle(element)
    const pair = [luminance(read(style.color)), luminance(behind(element))]
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)
    if (ratio < 4.5) found.push(`${ratio.toFixed(1)}: ${element.textContent?.trim().slice(0, 60)}`)
  }
  return found
}

/** Runs in the page: how bright its ground is, from 0 to 255. */
function brightness(): number {
  const colors = [document.body, document.documentElement].map(
    (element) => getComputedStyle(element).backgroundColor,
  )
  const color = colors.find((one) => one !== 'rgba(0, 0, 0, 0)') ?? 'rgb(255, 255, 255)'
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map(Number)
  return (red + green + blue) / 3
}
