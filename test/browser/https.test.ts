import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sees, setStage, signIn } from './_visitor.ts'

const stage = setStage({ https: true })

test('CKI-01 over https a browser keeps both cookies under their prefixed names, for this host alone', async (t) => {
  const page = await stage.visit(t, { ignoreHTTPSErrors: true })
  await signIn(page, 'Alice', '/account')
  await sees(page, 'Your account')
  const cookies = await page.context().cookies(stage.site.origin)
  const flags = {
    domain: 'localhost',
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: 'Lax',
  }
  const kept = cookies.map(({ name, domain, path, secure, httpOnly, sameSite }) => ({
    name,
    domain,
    path,
    secure,
    httpOnly,
    sameSite,
  }))
  assert.deepEqual(
    kept.sort((a, b) => a.name.localeCompare(b.name)),
    [
      { name: '__Host-Http-sallyport', ...flags },
      { name: '__Host-Http-sallyport-browser', ...flags },
    ],
  )
})
