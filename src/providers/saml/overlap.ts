import { days, later } from '../../lib/clock.ts'
import { readCertificate } from './certificate.ts'

/** A certificate that a provider has published, and what has become of it. Times are ISO 8601. */
export interface Published {
  /** Base64 of its DER. */
  readonly certificate: string
  readonly seenAt: string
  /** Since when the metadata does not have it any more. */
  readonly goneAt: string | null
  /** When it was first accepted for signatures; null: it waits. */
  readonly takenAt: string | null
}

/** What is to become of a connection's certificates. */
export interface Overlap {
  /** To be accepted from now on, beside the others. */
  readonly take: readonly string[]
  /** To be accepted no more. */
  readonly drop: readonly string[]
  /** Published, but not accepted until an administrator says so. */
  readonly waiting: readonly string[]
  readonly published: readonly Published[]
}

/**
 * How long a certificate is accepted that its provider publishes no more, in milliseconds: some still sign with the old
 * one for days, on machines that have not heard of the new.
 */
export const keptAfterGone: number = days(7)

/** How many certificates are remembered that are gone. */
const mostGone = 20
/** As many may be accepted at a time. */
const mostAccepted = 10

/**
 * Holds what a provider publishes now against what is accepted. Whatever is published is accepted beside the old ones
 * when its word is good, and waits otherwise. What was accepted once and taken away again waits whoever says so: an old
 * document must not bring back an old key. One that has vanished goes after a while or when it has run out, unless
 * nothing published would be left. What was entered by hand and never published is not touched.
 * @param accepted base64 of DER, as are `now published`
 * @param trusted whether the document proves itself, or an administrator has agreed beforehand
 */
export function overlap(
  {
    accepted,
    publishes,
    before,
    trusted,
  }: {
    readonly accepted: readonly string[]
    readonly publishes: readonly string[]
    readonly before: readonly Published[]
    readonly trusted: boolean
  },
  now: Date,
): Overlap {
  const at = now.toISOString()
  const known = new Map(before.map((one) => [one.certificate, one]))
  const fresh = publishes.filter((one) => !accepted.includes(one))
  const room = Math.max(0, mostAccepted - accepted.length)
  const take = trusted ? fresh.filter((one) => !known.get(one)?.takenAt).slice(0, room) : []
  const waiting = fresh.filter((one) => !take.includes(one))
  const seen = publishes.map((certificate): Published => {
    const { seenAt = at, takenAt = null } = known.get(certificate) ?? {}
    const isAccepted = accepted.includes(certificate) || take.includes(certificate)
    return { certificate, seenAt, goneAt: null, takenAt: takenAt ?? (isAccepted ? at : null) }
  })
  const gone = before
    .filter(({ certificate }) => !publishes.includes(certificate))
    .map((one): Published => ({ ...one, goneAt: one.goneAt ?? at }))
    .sort((a, b) => (a.goneAt! < b.goneAt! ? 1 : -1))
    .slice(0, mostGone)
  const remains = publishes.some((one) => accepted.includes(one) || take.includes(one))
  const drop = gone
    .filter(({ certificate, goneAt }) => {
      const over = later(new Date(goneAt!), keptAfterGone) <= now || hasRunOut(certificate, now)
      return remains && over && accepted.includes(certificate)
    })
    .map(({ certificate }) => certificate)
  return { take, drop, waiting, published: [...seen, ...gone] }
}

function hasRunOut(base64: string, now: Date): boolean {
  const certificate = readCertificate(base64)
  return certificate !== undefined && certificate.notAfter <= now
}
