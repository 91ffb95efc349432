import type { Route } from '../src/http/exchange.ts'
import { AppError } from '../src/lib/errors.ts'
import type { Letter, Mailer } from '../src/lib/mail.ts'
import { mailOf, mails, type MailName } from '../src/mails/index.ts'
import { write } from '../src/mails/letter.ts'
import { html, page, type Html } from '../src/web/page.ts'

/** Mail as `npm start` sends it: into a list that a page shows, and nowhere else. */
export interface Mailbox extends Mailer {
  /** The newest first. */
  readonly letters: readonly Letter[]
}

const most = 100

/** A mailbox that keeps the last hundred letters for as long as the process runs. */
export function createMailbox(): Mailbox {
  const letters: Letter[] = []
  return {
    letters,
    async send(letter) {
      letters.unshift(letter)
      letters.length = Math.min(letters.length, most)
    },
  }
}

const read = { method: 'GET', access: 'public', csrf: 'none', body: 'none' } as const

/** The pages of the mailbox, and a preview of every mail there is. */
export function mailboxRoutes(mailbox: Mailbox): readonly Route[] {
  const find = async (id: string): Promise<Pick<Letter, 'subject' | 'text' | 'html'>> => {
    if (Object.hasOwn(mails, id)) return preview(id as MailName)
    const letter = mailbox.letters.find((one) => one.id === id)
    if (!letter) throw new AppError('not_found')
    return letter
  }
  return [
    { ...read, path: '/dev/mailbox', endpoint: () => listPage(mailbox) },
    {
      ...read,
      path: '/dev/mailbox/:mail/html',
      endpoint: async ({ params }) => asItLooks(await find(params['mail']!)),
    },
    {
      ...read,
      path: '/dev/mailbox/:mail',
      endpoint: async ({ params }) => letterPage(params['mail']!, await find(params['mail']!)),
    },
  ]
}

function preview(name: MailName): Promise<Pick<Letter, 'subject' | 'text' | 'html'>> {
  const mail = mailOf(name)
  return write(mail, mail.example)
}

async function listPage({ letters }: Mailbox): Promise<Response> {
  const previews = await Promise.all(
    (Object.keys(mails) as MailName[]).map(async (name) => ({
      id: name,
      ...(await preview(name)),
    })),
  )
  return page(
    { title: 'Mailbox', wide: true },
    html`<h1>Mailbox</h1>
      <p class="lead">
        What Sallyport mails on this machine ends up here, whomever it is for. It takes a moment;
        reload the page.
      </p>
      <section aria-labelledby="arrived">
        <h2 id="arrived">Arrived</h2>
        ${
          letters.length > 0
            ? html`<ul>
                ${letters.map(row)}
              </ul>`
            : html`<p class="quiet">Nothing yet.</p>`
        }
      </section>
      <section aria-labelledby="templates">
        <h2 id="templates">Every mail there is</h2>
        <p class="quiet">With invented contents. One file each, in <code>src/mails</code>.</p>
        <ul>
          ${previews.map((letter) => row({ to: letter.id, ...letter }))}
        </ul>
      </section>`,
  )
}

function row({ id, to, subject }: Pick<Letter, 'id' | 'to' | 'subject'>): Html {
  return html`<li>
    <div id="mail-${id}">
      <strong><bdi>${subject}</bdi></strong>
      <p class="quiet"><bdi>${to}</bdi></p>
    </div>
    <a class="button" href="/dev/mailbox/${id}" aria-describedby="mail-${id}">Read</a>
  </li>`
}

function letterPage(
  id: string,
  { subject, text }: Pick<Letter, 'subject' | 'text'>,
): Promise<Response> {
  const [, link] = /^(https?:\/\/\S+)$/m.exec(text) ?? []
  return page(
    { title: subject, wide: true },
    html`<h1><bdi>${subject}</bdi></h1>
      <p><a href="/dev/mailbox">Mailbox</a></p>
      <section aria-labelledby="plain">
        <h2 id="plain">As plain text</h2>
        <pre>${text}</pre>
        ${link ? html`<p><a class="button primary" href="${link}">Follow its link</a></p>` : ''}
      </section>
      <section aria-labelledby="marked">
        <h2 id="marked">As HTML</h2>
        <p>
          <a class="button" href="/dev/mailbox/${id}/html">See it as a mail program shows it</a>
        </p>
      </section>`,
  )
}

/** A mail's own page: its styles are inline, as mail programs want them, and nothing else may load or run. */
function asItLooks({ html: markup }: Pick<Letter, 'html'>): Response {
  return new Response(markup, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    },
  })
}
