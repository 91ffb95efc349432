import type { Mail } from './letter.ts'

/** To the owners of an organization whose directory wants the last of them out. */
export const ownerKept: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  readonly slug: string
}> = {
  subject: ({ organization }) => `Your directory wants the last owner of ${organization} out`,
  parts: ({ origin, organization, slug }) => [
    `The directory that says who belongs to ${organization} at ${new URL(origin).host} has said that its last owner does not. An organization cannot be without an owner, so nothing was changed.`,
    'If it is right, make somebody else an owner and have the directory say so again. If it is not, assign the owner to the application again at your provider.',
    { button: 'Open the members', to: `${origin}/organizations/${slug}/members` },
  ],
  example: { origin: 'https://app.example.com', organization: 'Acme', slug: 'acme' },
}
