import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To whoever an organization's administrator invites, at the address they invite. */
export const invitation: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  /** Who invites; null: an operator. */
  readonly by: string | null
  readonly role: string
  readonly link: string
  /** ISO 8601. */
  readonly until: string
}> = {
  subject: ({ organization }) => `You are invited to ${organization}`,
  parts: ({ origin, organization, by, role, link, until }) => [
    `${by ?? 'An administrator'} invites you to ${organization} at ${new URL(origin).host}, as ${role}.`,
    { button: 'See the invitation', to: link },
    `It can be accepted once, until ${inUtc(until)}. If you do not know who this is, do nothing.`,
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    by: 'Alice Archer',
    role: 'member',
    link: 'https://app.example.com/invitations/q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6',
    until: '2026-06-08T12:00:00.000Z',
  },
}
