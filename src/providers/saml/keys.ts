import { z } from 'zod'
import { newId } from '../../lib/ids.ts'
import { makeKeyPair, readCertificate } from './certificate.ts'

/** A key pair as a connection's settings hold it, sealed with them. */
export interface StoredKey {
  readonly id: string
  /** `next` is published before it is used; `retired` signs no more, and still opens what was encrypted to it. */
  readonly state: 'current' | 'next' | 'retired'
  /** PEM. Shown to nobody, ever. */
  readonly privateKey: string
  /** PEM. */
  readonly certificate: string
}

/** What may be told of a key. */
export interface KeySummary {
  readonly id: string
  readonly state: StoredKey['state']
  /** PEM. */
  readonly certificate: string
  /** Base64 of its DER. */
  readonly base64: string
  readonly fingerprint: string
  readonly notAfter: Date
}

/** A step in the rotation of a connection's keys. */
export type KeyStep =
  /** Makes the next key and publishes it beside the current one; where there is none, it is the current one at once. */
  | 'prepare'
  /** Signs with the next key from now on. */
  | 'switch'
  /** Lets go of a key: of the retired ones, or of a next one that is not wanted after all. */
  | 'forget'
  | 'abandon'

const settingsWithKeys = z.looseObject({
  keys: z.array(
    z.looseObject({
      id: z.string(),
      state: z.enum(['current', 'next', 'retired']),
      privateKey: z.string(),
      certificate: z.string(),
    }),
  ),
})

/** How many keys are kept that sign no more; the oldest goes first. */
const mostRetired = 3

/** A connection's keys, even where the rest of its settings is still to come. */
export function keysIn(settings: unknown): readonly StoredKey[] {
  return settingsWithKeys.safeParse(settings).data?.keys ?? []
}

/** A new key pair for a connection. */
export async function newKey(
  organization: string,
  state: StoredKey['state'],
  now: Date,
): Promise<StoredKey> {
  return { id: newId(), state, ...(await makeKeyPair(`Sallyport for ${organization}`, now)) }
}

/** What may be told of a connection's keys, the one in use first. */
export function describeKeys(settings: unknown): readonly KeySummary[] {
  const order: readonly StoredKey['state'][] = ['current', 'next', 'retired']
  return [...keysIn(settings)]
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
    .flatMap(({ id, state, certificate: pem }) => {
      const certificate = readCertificate(pem)
      if (!certificate) return []
      const { base64, fingerprint, notAfter } = certificate
      return [{ id, state, certificate: certificate.pem, base64, fingerprint, notAfter }]
    })
}

/**
 * The settings after a step. A step that has been taken already, or cannot be taken yet, changes nothing.
 * @param made for `prepare`
 */
export function stepKeys(settings: unknown, step: KeyStep, made?: StoredKey): unknown {
  const keys = keysIn(settings)
  const has = (state: StoredKey['state']): boolean => keys.some((key) => key.state === state)
  const after: Readonly<Record<KeyStep, () => readonly StoredKey[]>> = {
    prepare: () => {
      if (!made || has('next')) return keys
      return [...keys, { ...made, state: has('current') ? 'next' : 'current' }]
    },
    switch: () => {
      if (!has('next')) return keys
      const moved = { current: 'retired', next: 'current', retired: 'retired' } as const
      const after = keys.map((key) => ({ ...key, state: moved[key.state] }))
      const retired = after.filter(({ state }) => state === 'retired')
      return after.filter((key) => !retired.slice(0, -mostRetired).includes(key))
    },
    forget: () => keys.filter(({ state }) => state !== 'retired'),
    abandon: () => keys.filter(({ state }) => state !== 'next'),
  }
  return { ...(settings as object), keys: after[step]() }
}
