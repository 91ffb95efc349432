import assert from 'node:assert/strict'

/** What a test looks at in a page. */
export interface ReadPage {
  readonly status: number
  readonly html: string
  /** Without ` · Sallyport`. */
  readonly title: string
  /** The text of the one `h1`. */
  readonly heading: string
  /** What a person reads, on one line. */
  readonly text: string
  /** Every address in the page. */
  readonly links: readonly string[]
}

/** Reads a page of ours and asserts what is true of all of them. */
export async function readPage(response: Response): Promise<ReadPage> {
  const html = await response.text()
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8', html)
  assert.match(html, /^<!doctype html>\s*<html lang="en">/)
  for (const landmark of ['header', 'main', 'h1', 'title'])
    assert.equal(html.match(new RegExp(`<${landmark}[ >]`, 'g'))?.length, 1, `one ${landmark}`)
  const scripts = html.match(/<script src="\/assets\/[\w-]+\.js" defer><\/script>/g) ?? []
  const policy = response.headers.get('content-security-policy') ?? ''
  assert.equal(policy.includes("script-src 'self'"), scripts.length > 0, 'only who loads one may')
  const others = scripts.reduce((rest, script) => rest.replace(script, ''), html)
  assert.doesNotMatch(others, /<(script|style|iframe|object|embed|base)\b/i)
  assert.doesNotMatch(html, /<[^>]*\s(style|on\w+)=/i)
  assertNamed(html)
  return {
    status: response.status,
    html,
    title: toText(/<title>(.*?) · Sallyport<\/title>/s.exec(html)?.[1]),
    heading: toText(/<h1>(.*?)<\/h1>/s.exec(html)?.[1]),
    text: toText(/<main>(.*?)<\/main>/s.exec(html)?.[1]),
    links: [...html.matchAll(/\s(?:href|src|action)="([^"]*)"/g)].map(([, link]) => link!),
  }
}

/** Everything one can act on has a name, and every reference from one element to another leads somewhere. */
function assertNamed(html: string): void {
  const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id)
  assert.equal(new Set(ids).size, ids.length, 'ids are unique')
  for (const [, id] of html.matchAll(/\s(?:for|aria-labelledby|aria-describedby)="([^"]*)"/g))
    assert.ok(ids.includes(id), `#${id} exists`)
  for (const [input] of html.matchAll(/<input\b[^>]*>/g)) {
    if (/type="hidden"/.test(input)) continue
    const id = /\sid="([^"]*)"/.exec(input)?.[1]
    assert.ok(id && html.includes(`<label for="${id}">`), `${input} has a label`)
  }
  for (const [, content] of html.matchAll(/<(?:a|button)\b[^>]*>(.*?)<\/(?:a|button)>/gs))
    assert.notEqual(toText(content), '')
  for (const [section] of html.matchAll(/<(?:section|nav)\b[^>]*>/g))
    assert.match(section, /aria-label(ledby)?="/)
}

function toText(html = ''): string {
  const text = html.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ')
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .trim()
}
