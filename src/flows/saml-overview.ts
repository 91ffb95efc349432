import { z } from 'zod'
import { readSettings, type Connection } from '../accounts/connections.ts'
import { readUpkeep } from '../accounts/saml-upkeep.ts'
import type { Db } from '../db/open.ts'
import type { Sealer } from '../lib/seal.ts'
import { readCertificate } from '../providers/saml/certificate.ts'
import { describeKeys, type KeySummary } from '../providers/saml/keys.ts'

/** A certificate of the provider's. */
export interface CertificateSummary {
  /** SHA-256 of its DER in hexadecimal. */
  readonly fingerprint: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** `accepted`: its key's signatures count; `waiting`: published, but nobody has agreed to it yet. */
  readonly state: 'accepted' | 'waiting'
  /** Since when the provider's metadata does not have it any more; null: it has, or there is none to have it. */
  readonly goneAt: Date | null
}

/** A SAML connection's keys and certificates as administrators see them: nothing here is secret. */
export interface SamlOverview {
  readonly keys: readonly KeySummary[]
  readonly certificates: readonly CertificateSummary[]
  readonly metadata: {
    readonly url: string | null
    readonly readAt: Date | null
    readonly problem: string | null
    readonly follow: boolean
  }
}

const known = z.looseObject({
  metadataUrl: z.string().optional(),
  idp: z.looseObject({ certificates: z.array(z.string()) }).optional(),
})

/** A SAML connection's keys and certificates. */
export async function describeSaml(
  { db, sealer }: { readonly db: Db; readonly sealer: Sealer },
  { id }: Connection,
): Promise<SamlOverview> {
  const settings = await readSettings(db, sealer, id)
  const { readAt, problem, follow, published } = await readUpkeep(db, id)
  const { metadataUrl, idp } = known.safeParse(settings).data ?? {}
  const accepted = (idp?.certificates ?? []).flatMap((text) => readCertificate(text) ?? [])
  const prints = accepted.map(({ fingerprint }) => fingerprint)
  const seen = published.flatMap(({ certificate, goneAt }) => {
    const read = readCertificate(certificate)
    return read ? [{ read, goneAt }] : []
  })
  const gone = (print: string): Date | null => {
    const at = seen.find(({ read }) => read.fingerprint === print)?.goneAt
    return at ? new Date(at) : null
  }
  const waiting = seen
    .filter(({ read, goneAt }) => goneAt === null && !prints.includes(read.fingerprint))
    .map(({ read }) => read)
  const summary =
    (state: CertificateSummary['state']) =>
    ({ fingerprint, notBefore, notAfter }: (typeof accepted)[number]): CertificateSummary => ({
      fingerprint,
      notBefore,
      notAfter,
      state,
      goneAt: gone(fingerprint),
    })
  return {
    keys: describeKeys(settings),
    certificates: [...accepted.map(summary('accepted')), ...waiting.map(summary('waiting'))],
    metadata: { url: metadataUrl ?? null, readAt, problem, follow },
  }
}
