import { AppError, type ErrorCode } from '../src/lib/errors.ts'
import type { Again } from '../src/providers/again.ts'
import { prove, type ProofData } from '../src/providers/proof.ts'
import type { Provider, ProviderContext } from '../src/providers/provider.ts'

/** Somebody the scripted provider can vouch for, by subject. */
export type ScriptedPerson = Partial<Omit<ProofData, 'connectionId' | 'subject'>>

/** A provider that vouches for whom the test says, and counts how often it was asked. */
export interface ScriptedProvider {
  /** What `complete` was called with, in order: the codes. */
  readonly completed: string[]
  /** Facts about subjects; a subject that is not here is vouched for with its own name. */
  readonly people: Map<string, ScriptedPerson>
  /** Makes the next `complete` refuse. */
  refuseNext(code: ErrorCode, reason?: string): void
  /** Called before each `complete` answers: await a barrier here to hold it. */
  hold: (() => Promise<void>) | undefined
  /** How it is asked again; undefined: it cannot be. */
  again: Again | undefined
  open(kind: string, settings: unknown, context: ProviderContext): Provider
}

/** The address the scripted provider sends browsers to. */
export const scriptedAuthorize = 'https://idp.example/authorize'

/** Makes a provider for tests of everything but the protocol: `code` is the subject. */
export function createScriptedProvider(): ScriptedProvider {
  let refusal: AppError | undefined
  const scripted: ScriptedProvider = {
    completed: [],
    people: new Map(),
    hold: undefined,
    again: undefined,
    refuseNext: (code, reason) => (refusal = new AppError(code, { reason: reason ?? code })),
    open: (_kind, _settings, { connectionId }) => ({
      async begin({ handle, redirectUri, loginHint, prompt, maxAge }) {
        const redirect = new URL(scriptedAuthorize)
        redirect.searchParams.set('state', handle)
        redirect.searchParams.set('redirect_uri', redirectUri)
        if (prompt) redirect.searchParams.set('prompt', prompt)
        if (maxAge !== undefined) redirect.searchParams.set('max_age', String(maxAge))
        if (loginHint) redirect.searchParams.set('login_hint', loginHint)
        return { redirect, remember: { nonce: 'n' } }
      },
      async complete(back) {
        const subject = back.searchParams.get('code') ?? ''
        scripted.completed.push(subject)
        await scripted.hold?.()
        const refused = refusal
        refusal = undefined
        if (refused) throw refused
        const claims = { name: subject, email: `${subject}@acme.example` }
        return prove({
          issuer: 'https://idp.example',
          claims,
          ...scripted.people.get(subject),
          connectionId,
          subject,
        })
      },
      ...(scripted.again && { again: scripted.again }),
    }),
  }
  return scripted
}
