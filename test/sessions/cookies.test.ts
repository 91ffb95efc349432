import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomToken } from '../../src/lib/secrets.ts'
import { routes } from '../../src/routes.ts'
import {
  clearCookie,
  cookieNames,
  findCookies,
  readCookie,
  setCookie,
} from '../../src/sessions/cookies.ts'
import { startTestApp } from '../_app.ts'

const names = cookieNames(new URL('https://app.example'))

describe('cookies', () => {
  it('S3-09 S3-33a CKI-01 CKI-02 S2-24 S2-08 every cookie the system ever sets is one of two, locked to this host and to HTTP', async () => {
    await using app = await startTestApp()
    const lines: string[] = []
    const browser = app.browser()
    const keep = (response: Response) => lines.push(...response.headers.getSetCookie())
    for (const signedIn of [false, true]) {
      if (signedIn) keep(await app.signIn(browser))
      for (const { path } of routes) {
        const address = path
          .replace(':connection', app.connectionId)
          .replace(':org', 'acme')
          .replace(':session', 'x')
        keep(await browser.get(address))
        if (path !== '/logout') keep(await browser.post(address))
        keep(await browser.api(address))
      }
    }
    browser.cookies.delete(names.browser)
    keep(await browser.get('/account'))
    keep(await browser.post('/logout'))
    keep(await browser.get('/account', { cookie: `${names.session}=broken` }))
    assert.ok(lines.length >= 5)
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split('; ')
      assert.ok(Object.values(names).includes(pair.split('=')[0]!), line)
      for (const attribute of ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax'])
        assert.ok(attributes.includes(attribute), line)
      assert.ok(!attributes.some((attribute) => /^domain|samesite=none/i.test(attribute)), line)
      assert.ok(line.length <= 256, line)
    }
  })

  it('S3-08 S3-17b CKI-01 names begin with __Host-Http- wherever the address is https, and only there', () => {
    assert.deepEqual(names, {
      session: '__Host-Http-sallyport',
      browser: '__Host-Http-sallyport-browser',
      secure: true,
    })
    assert.equal(cookieNames(new URL('http://localhost:3000')).session, 'sallyport')
  })

  it('CKI-05 a name without the prefix, as a sibling host could set, is not read', async () => {
    await using app = await startTestApp()
    const browser = app.browser()
    await app.signIn(browser)
    const token = browser.cookies.get(names.session)!
    for (const name of [
      'sallyport',
      '__Host-sallyport',
      '__Secure-sallyport',
      '__host-http-sallyport',
      'sid',
    ])
      assert.equal(
        (await app.browser().api('/me', { headers: { cookie: `${name}=${token}` } })).status,
        401,
        name,
      )
    const both = `sallyport=${randomToken()}; ${names.session}=${token}`
    assert.equal((await app.browser().api('/me', { headers: { cookie: both } })).status, 200)
  })

  it('CKI-06 two hundred cookies and large ones are read in no time, and cost nobody their session', async () => {
    const token = randomToken()
    const crowd = Array.from({ length: 200 }, (_, i) => `c${i}=${'x'.repeat(60)}`).join('; ')
    const started = performance.now()
    for (let i = 0; i < 100; i++)
      assert.deepEqual(
        readCookie(findCookies(`${crowd}; ${names.session}=${token}`, names).session, 'session'),
        {
          state: 'present',
          value: token,
        },
      )
    assert.ok(performance.now() - started < 1000)
  })

  it('CKI-09 what a request claims about itself changes no cookie', async () => {
    await using app = await startTestApp()
    const claims = {
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-ssl': 'off',
      forwarded: 'proto=http;host=evil.example',
      host: 'evil.example',
    }
    const response = await app.browser().post(`/sso/${app.connectionId}/start`, {}, claims)
    const [line = ''] = response.headers.getSetCookie()
    assert.match(
      line,
      new RegExp(
        `^${names.browser}=[\\w-]{22}; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=15552000$`,
      ),
    )
    assert.ok(!(await response.text()).includes('evil'))
  })

  it('REV-17 S3-17c S3-35 the session cookie ends with the browser; no cookie outlives 400 days', () => {
    assert.ok(!/max-age|expires/i.test(setCookie(names, 'session', randomToken())))
    const age = Number(
      /Max-Age=(\d+)/.exec(setCookie(names, 'browser', randomToken(16), 180 * 86_400))?.[1],
    )
    assert.ok(age <= 400 * 86_400)
  })

  it('REV-08 clearing names the cookie exactly as setting did', () => {
    const shape = (line: string) => line.replace(/=[^;]*/, '').replace(/; Max-Age=\d+/, '')
    assert.equal(
      shape(clearCookie(names, 'session')),
      shape(setCookie(names, 'session', randomToken())),
    )
  })

  it('S3-57 S3-43 a value is ours only in its one spelling', () => {
    const token = randomToken()
    const read = (value: string) =>
      readCookie(findCookies(`${names.session}=${value}`, names).session, 'session').state
    assert.equal(read(token), 'present')
    for (const value of [
      `"${token}"`,
      `${token} `.trimEnd() + '.',
      token.replace(/.$/, '~'),
      `${token}%20`,
      encodeURIComponent(`${token}+`),
    ])
      assert.equal(read(value), 'malformed', value)
    // The last of 43 characters carries four bits: its other spellings would name the same bytes.
    const last = token.at(-1)!
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const twin = alphabet[alphabet.indexOf(last) ^ 1]!
    assert.equal(read(token.slice(0, -1) + twin), 'malformed')
  })
})
