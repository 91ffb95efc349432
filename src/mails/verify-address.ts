import type { Mail } from './letter.ts'

/** To an address that somebody who is signed in says is theirs. */
export const verifyAddress: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly link: string
  /** The person's name. */
  readonly name: string
}> = {
  subject: ({ origin }) => `Verify your address for ${new URL(origin).host}`,
  parts: ({ origin, link, name }) => [
    `${name} asked to use this address with their account at ${new URL(origin).host}. If that is you, go on in the same browser:`,
    { button: 'Verify this address', to: link },
    'The link works once, for ten minutes, and only in the browser that asked for it.',
    'If it is not you, do nothing. Somebody may have mistyped their own address.',
  ],
  example: {
    origin: 'https://app.example.com',
    link: 'https://app.example.com/account/verify/0uNy3T1SlwBcM6fZT1wGn0yOqXb2dVQvJQxkq4u8VgA',
    name: 'Alice Archer',
  },
}
