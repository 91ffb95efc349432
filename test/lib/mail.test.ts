import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { queueSchema } from '../../src/db/queue.ts'
import { createMailer, MailFailed, type Letter } from '../../src/lib/mail.ts'
import { Secret } from '../../src/lib/secrets.ts'
import { startTestApp } from '../_app.ts'

const from = 'sign-in@app.example'

/** A mail server on loopback, and everything it has taken, as it came. */
interface Post {
  readonly url: string
  readonly taken: string[]
  /** Settles when the next mail has been taken. */
  next(): Promise<string>
}

async function startPost(t: TestContext, options: SMTPServerOptions = {}): Promise<Post> {
  const taken: string[] = []
  let wake = Promise.withResolvers<string>()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString()
        taken.push(raw)
        wake.resolve(raw)
        wake = Promise.withResolvers()
        done()
      })
    },
    ...options,
  })
  server.on('error', () => {})
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.after(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const { port } = listening.address() as AddressInfo
  return { url: `smtp://127.0.0.1:${port}`, taken, next: () => wake.promise }
}

const mailer = (url: string) => createMailer({ url: new Secret(url), from })

const letter: Letter = {
  id: '01890000-0000-7000-8000-000000000001',
  to: 'alice@acme.example',
  subject: 'Sign in',
  text: 'Plain words',
  html: '<p>Marked words</p>',
}

/** A mail server's refusal of whoever it is for. */
const refuse = (responseCode: number): SMTPServerOptions => ({
  onRcptTo: (_address, _session, done) =>
    done(Object.assign(new Error('no: alice@acme.example'), { responseCode })),
})

/** The header lines of a mail, unfolded. */
function headersOf(raw: string): string[] {
  return raw
    .split('\r\n\r\n')[0]!
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
}

suite('the mailer', () => {
  test('a letter arrives in both forms, marked as written by a program', async (t) => {
    const post = await startPost(t)
    await mailer(post.url).send(letter)
    const [raw = ''] = post.taken
    const headers = headersOf(raw)
    for (const expected of [
      'From: Sallyport <sign-in@app.example>',
      'To: alice@acme.example',
      'Subject: Sign in',
      `Message-ID: <${letter.id}@app.example>`,
      'Auto-Submitted: auto-generated',
      'X-Auto-Response-Suppress: All',
    ])
      assert.ok(headers.includes(expected), `${expected} in ${headers.join('\n')}`)
    assert.match(raw, /text\/plain[^]*Plain words[^]*text\/html[^]*<p>Marked words<\/p>/)
  })

  test('no name or subject makes a header, and no address a second one', async (t) => {
    const post = await startPost(t)
    const evil = 'x\r\nBcc: eve@evil.example\r\n\r\nbody\u2028Cc: eve@evil.example'
    await mailer(post.url).send({ ...letter, subject: evil })
    assert.deepEqual(
      headersOf(post.taken[0]!).filter((line) => /^(bcc|cc):/i.test(line)),
      [],
    )
    for (const to of [
      'alice@acme.example, eve@evil.example',
      'alice@acme.example\r\nBcc: eve@evil.example',
      'Alice <alice@acme.example>',
    ])
      await assert.rejects(mailer(post.url).send({ ...letter, to }), {
        name: 'MailFailed',
        final: true,
      })
    assert.equal(post.taken.length, 1)
  })

  for (const [status, final] of [
    [450, false],
    [550, true],
  ] as const) {
    test(`a ${status} is ${final ? 'final' : 'for now'}, and the error names nobody`, async (t) => {
      const post = await startPost(t, refuse(status))
      const failed = await mailer(post.url)
        .send(letter)
        .catch((error: unknown) => error)
      assert.ok(failed instanceof MailFailed)
      assert.deepEqual([failed.status, failed.final], [status, final])
      assert.doesNotMatch(`${failed.stack} ${JSON.stringify(failed)}`, /alice/)
    })
  }

  test('a server that is away, or refuses our password, may take it later', async (t) => {
    await assert.rejects(mailer('smtp://127.0.0.1:1').send(letter), { final: false })
    const post = await startPost(t, {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: (_auth, _session, done) => done(new Error('wrong')),
    })
    const url = post.url.replace('//', '//user:pass@')
    await assert.rejects(mailer(url).send(letter), { final: false, status: 535 })
  })

  test('nothing is sent in the clear to another machine', async (t) => {
    const post = await startPost(t)
    // A name that is not loopback by its looks, but leads here.
    const url = post.url.replace('127.0.0.1', '0.0.0.0')
    await assert.rejects(mailer(url).send(letter), /ETLS/)
    assert.equal(post.taken.length, 0)
  })
})

suite('mail out of the queue', () => {
  /** Asks for a link that the application on `url` mails. */
  async function ask(t: TestContext, url: string, address = 'alice@acme.example') {
    const app = await startTestApp({
      jobs: true,
      mailer: mailer(url),
      env: { SALLYPORT_PERSONAL_SIGN_IN: 'everybody' },
    })
    t.after(() => app.close())
    assert.equal((await app.browser().post('/login/mail', { address })).status, 303)
    return app
  }

  test('a link that was asked for arrives at a mail server', async (t) => {
    const post = await startPost(t)
    const arriving = post.next()
    await ask(t, post.url)
    const raw = (await arriving).replaceAll('=\r\n', '')
    assert.match(raw, /To: alice@acme\.example/)
    assert.match(raw, /https:\/\/app\.example\/login\/mail\/[\w-]{43}/)
  })

  test('what is refused for now is tried again; what is refused for good is given up and told of', async (t) => {
    let refusals = 0
    const refused = Promise.withResolvers<void>()
    const post = await startPost(t, {
      onRcptTo({ address }, _session, done) {
        if (address.startsWith('gone'))
          return done(Object.assign(new Error('no such mailbox'), { responseCode: 550 }))
        if (refusals++ > 0) return done()
        refused.resolve()
        done(Object.assign(new Error('later'), { responseCode: 451 }))
      },
    })
    const app = await ask(t, post.url, 'gone@acme.example')
    const { db } = app.sallyport.services
    await app.browser().post('/login/mail', { address: 'later@acme.example' })
    await refused.promise
    const arriving = post.next()
    // The pause before it is tried again is over.
    while (
      (
        await sql`update ${sql.table(`${queueSchema}.job`)} set start_after = now()
        where name = 'mail' and state = 'retry' returning 1`.execute(db)
      ).rows.length === 0
    )
      await new Promise((resolve) => setImmediate(resolve))
    assert.match(await arriving, /To: later@acme\.example/)
    assert.equal(refusals, 2)
    assert.match(app.logged(), /a mail could not be delivered and is given up/)
    assert.doesNotMatch(app.logged(), /(gone|later)@acme/)
    assert.equal(post.taken.length, 1)
  })
})
