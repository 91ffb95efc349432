import type { Mail } from './letter.ts'

/** To whoever asked to sign in by mail with an address that no account has verified, where only members may. */
export const noAccount: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
}> = {
  subject: ({ origin }) => `No account at ${new URL(origin).host} has this address`,
  parts: ({ origin }) => [
    `Somebody asked to sign in to ${new URL(origin).host} with this address, and it belongs to no account there.`,
    'If it was you, sign in through your organization and verify the address on your account page. Or try another address of yours.',
    { button: 'Go to sign-in', to: `${origin}/login` },
    'If it was not you, do nothing.',
  ],
  example: { origin: 'https://app.example.com' },
}
