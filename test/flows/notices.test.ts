import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { mails } from '../../src/mails/index.ts'
import { write } from '../../src/mails/letter.ts'
import { startTestApp, type TestApp } from '../_app.ts'

const hour = 3_600_000

async function verify(app: TestApp, name: string): Promise<void> {
  const { db, clock } = app.sallyport.services
  const { id: userId } = await db
    .selectFrom('users')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirstOrThrow()
  const verified = { userId, address: `${name}@acme.example`, primary: false }
  await addVerifiedEmail(db, verified, clock.now())
}

test('a person is mailed of a sign-in from a browser never seen with them, and of no other', async () => {
  await using app = await startTestApp()
  const [old, fresh] = [app.browser(), app.browser()]
  await app.signIn(old, 'alice')
  await verify(app, 'alice')
  await old.post('/logout')
  await app.signIn(old, 'alice')
  assert.deepEqual(await app.mails(), [], 'a browser they are known by')
  await app.signIn(fresh, 'alice')
  const [mail, ...others] = await app.mails()
  assert.deepEqual([mail?.mail, mail?.to], ['new_device', 'alice@acme.example'])
  assert.equal(mail?.data['address'], '192.0.2.7')
  await app.signIn(fresh, 'alice')
  assert.deepEqual(others, [])
  assert.equal((await app.mails()).length, 1)
})

test('an address that nobody has verified gets no mail', async () => {
  await using app = await startTestApp()
  await app.signIn(app.browser(), 'bob')
  await app.signIn(app.browser(), 'bob')
  assert.deepEqual(await app.mails(), [])
})

test('a person is mailed of the session that ended because there was one too many', async () => {
  await using app = await startTestApp()
  const first = app.browser()
  await app.signIn(first, 'carol')
  await verify(app, 'carol')
  for (let i = 0; i < 10; i++) {
    app.clock.advance(60_000)
    await app.signIn(app.browser(), 'carol')
  }
  const ended = (await app.mails()).filter(({ mail }) => mail === 'session_ended')
  assert.equal(ended.length, 1)
  assert.deepEqual([ended[0]?.to, ended[0]?.data['most']], ['carol@acme.example', 10])
  assert.equal((await first.api('/me')).status, 401)
})

test('without a mail server nothing is queued', async () => {
  await using app = await startTestApp({ mailer: null })
  await app.signIn(app.browser(), 'dora')
  await verify(app, 'dora')
  app.clock.advance(hour)
  assert.equal((await app.signIn(app.browser(), 'dora')).status, 303)
  assert.deepEqual(await app.mails(), [])
})

for (const [name, mail] of Object.entries(mails)) {
  test(`the mail ${name} says the same in both forms, and escapes what it is told`, async () => {
    const evil = '<img src=x>\u202e"\''
    const data = Object.fromEntries(
      Object.entries(mail.example).map(([key, value]) => [
        key,
        ['name', 'device', 'address'].includes(key) ? evil : value,
      ]),
    )
    const { subject, text, html } = await write(mail as never, data)
    assert.doesNotMatch(html, /<img|\u202e/)
    assert.doesNotMatch(subject + text, /\u202e/)
    const seen = html.replaceAll(/<title>.*<\/title>|<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
    for (const line of text.split('\n\n')) {
      const words = line
        .replace(/:\n.*/, '')
        .replaceAll(/[<>"'&\s]+/g, ' ')
        .trim()
        .slice(0, 30)
      const shown = seen.replaceAll(/&(lt|gt|quot|#39|amp);/g, ' ').replaceAll(/\s+/g, ' ')
      assert.ok(shown.includes(words), `${words} in ${shown}`)
    }
    assert.doesNotMatch(html, /<script|<[^>]*\s(on\w+|src)=/)
    for (const [, address] of html.matchAll(/href="([^"]*)"/g))
      assert.match(address!, /^https:\/\/app\.example\.com\//)
  })
}
