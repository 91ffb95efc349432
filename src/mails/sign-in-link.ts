import type { Mail } from './letter.ts'

/** To whoever asked to sign in by mail, and may. */
export const signInLink: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly link: string
  /** Of the browser that asked, such as `Firefox on Linux`. */
  readonly device: string
}> = {
  subject: ({ origin }) => `Sign in to ${new URL(origin).host}`,
  parts: ({ link, device }) => [
    `Somebody asked to sign in with this address, from ${device}. If it was you, go on in the same browser:`,
    { button: 'Sign in', to: link },
    'The link works once, for ten minutes, and only in the browser that asked for it.',
    'If it was not you, do nothing. Nobody can sign in without this mail.',
  ],
  example: {
    origin: 'https://app.example.com',
    link: 'https://app.example.com/login/mail/0uNy3T1SlwBcM6fZT1wGn0yOqXb2dVQvJQxkq4u8VgA',
    device: 'Firefox on Linux',
  },
}
