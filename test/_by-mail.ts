import assert from 'node:assert/strict'
import { addVerifiedEmail } from '../src/accounts/emails.ts'
import { createUser } from '../src/accounts/users.ts'
import type { TestApp } from './_app.ts'
import type { Browser } from './_browser.ts'

/** Makes an account with an address that its person has verified; answers its id. */
export async function makeAccount(app: TestApp, name: string, address: string): Promise<string> {
  const { db, clock } = app.sallyport.services
  const userId = await createUser(db, { name }, clock.now())
  await addVerifiedEmail(db, { userId, address, primary: true }, clock.now())
  return userId
}

/** Signs somebody in by a mailed link, without any organization. The application needs `SALLYPORT_PERSONAL_SIGN_IN`. */
export async function signInByMail(
  app: TestApp,
  browser: Browser,
  address: string,
): Promise<Response> {
  const asked = await browser.post('/login/mail', { address, return_to: '/account' })
  assert.equal(asked.status, 303, await asked.text())
  const sent = (await app.mails()).findLast(
    ({ to, mail }) => to === address && mail === 'sign_in_link',
  )
  const { pathname } = new URL(sent?.data['link'] ?? assert.fail('no link was sent'))
  assert.equal((await browser.get(pathname)).status, 200)
  const signedIn = await browser.post(pathname)
  assert.equal(signedIn.status, 303, await signedIn.text())
  return signedIn
}
