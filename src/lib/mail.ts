import type { Transporter } from 'nodemailer'
import type SMTPTransport from 'nodemailer/lib/smtp-transport/index.js'
import { seconds } from './clock.ts'
import { isLoopback } from './config.ts'
import { isMailbox } from './email-address.ts'
import type { Secret } from './secrets.ts'

/** One mail, ready to be sent. */
export interface Letter {
  /** Becomes its `Message-ID`, so that a mail sent again is seen to be the same. */
  readonly id: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** Hands letters to whoever carries them. */
export interface Mailer {
  /**
   * Answers once the letter is taken.
   * @throws MailFailed
   */
  send(letter: Letter): Promise<void>
}

/** A letter that was not taken. It names neither the letter nor whom it was for, so that it can be logged and kept. */
export class MailFailed extends Error {
  /** Whether it never will be: trying again is of no use. */
  readonly final: boolean
  /** What the server answered (RFC 5321 §4.2); undefined where it answered nothing. */
  readonly status: number | undefined

  constructor(what: string, { final, status }: { final: boolean; status?: number | undefined }) {
    super(status ? `${what} (${status})` : what)
    this.name = 'MailFailed'
    this.final = final
    this.status = status
  }
}

/** Where mail goes, and whom it is from. */
export interface MailSettings {
  /** `smtp://` or `smtps://`, with a user and a password where the server wants them. */
  readonly url: Secret
  /** The sender's address. */
  readonly from: string
}

/**
 * Sends through an SMTP server. Nothing travels unencrypted but to this machine: with `smtp://` the server has to offer
 * STARTTLS. Certificates are checked; an authority of one's own goes into `NODE_EXTRA_CA_CERTS`.
 */
export function createMailer({ url, from }: MailSettings): Mailer {
  const server = serverAt(url)
  let opened: Promise<Transporter> | undefined
  const domain = from.slice(from.lastIndexOf('@') + 1)
  return {
    async send({ id, to, subject, text, html }) {
      // Said here once more, whoever made the letter: what is no mailbox could be a list, or a header.
      if (!isMailbox(to)) throw new MailFailed('not an address', { final: true })
      try {
        const transport = await (opened ??= openTransport(server))
        await transport.sendMail({
          from: { name: 'Sallyport', address: from },
          to: { name: '', address: to },
          envelope: { from, to: [to] },
          messageId: `<${id}@${domain}>`,
          subject: subject.replaceAll(/\p{Cc}+/gu, ' '),
          text,
          html,
          headers: automatic,
        })
      } catch (error) {
        throw toMailFailed(error)
      }
    },
  }
}

/** Loads the library with the first letter: most processes never send one. */
async function openTransport(server: SMTPTransport.Options): Promise<Transporter> {
  const { createTransport } = await import('nodemailer')
  return createTransport(server)
}

function serverAt(url: Secret): SMTPTransport.Options {
  const { hostname, port, username, password, protocol } = new URL(url.reveal())
  const secure = protocol === 'smtps:'
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && !isLoopback(hostname),
    ignoreTLS: !secure && isLoopback(hostname),
    ...(username && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    }),
    connectionTimeout: seconds(10),
    greetingTimeout: seconds(10),
    socketTimeout: seconds(20),
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}

/** Nobody's holiday notice should answer (RFC 3834 §5, and what Exchange listens to). */
const automatic = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' }

/** What the library calls errors about a letter. */
const aboutLetter = ['EENVELOPE', 'EMESSAGE']

/** A 5xx to the letter is final; one to our name and password is the operator's to mend, and passes. */
function toMailFailed(error: unknown): MailFailed {
  const { responseCode: status, code = 'EUNKNOWN' } = error as {
    responseCode?: number
    code?: string
  }
  const final = aboutLetter.includes(code) && status !== undefined && status >= 500
  return new MailFailed(`the mail server did not take it: ${code}`, { final, status })
}
