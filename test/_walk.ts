import assert from 'node:assert/strict'
import type { Browser } from './dev/_browser.ts'

/** A whole sign-in over HTTP, page by page, at the development provider; answers where the browser ends up. */
export async function walkThroughSignIn(
  browser: Browser,
  origin: string,
  person: string,
): Promise<Response> {
  const login = await browser.follow(await browser.get(`${origin}/login`), origin)
  assert.equal(login.status, 200)
  const form = /<form[^>]*action="([^"]*\/sso\/[^"]+\/start)"/.exec(await login.text())?.[1]
  const left = await browser.post(new URL(form ?? assert.fail('no form'), origin))
  const away = refreshOf(left)
  const page = await browser.follow(await browser.get(away), away.origin)
  const chosen = await browser.post(`${page.url}/sign-in/${person}`)
  const leaving = await browser.follow(chosen, away.origin)
  const back = new URL(leaving.headers.get('location') ?? assert.fail(await leaving.text()))
  assert.equal(back.origin, origin)
  return browser.follow(await browser.get(back), origin)
}

/** The address a page sends the browser to by itself. */
function refreshOf(response: Response): URL {
  const [, address] = /url=(.*)$/.exec(response.headers.get('refresh') ?? '') ?? []
  return new URL(address ?? assert.fail(`status ${response.status}, and it leads nowhere`))
}
