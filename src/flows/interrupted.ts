import { minutes } from '../lib/clock.ts'
import { hashToken } from '../lib/secrets.ts'
import { signatureOf } from './flow.ts'
import { consumeFlow, loadFlow, startFlow, type FlowServices } from './store.ts'

/** How long a form is kept, in milliseconds. */
export const keptFor: number = minutes(10)

/** What a person was about to send when they were asked to sign in once more. */
export interface InterruptedForm {
  /** Path and query on our own origin. */
  readonly action: string
  readonly fields: Readonly<Record<string, string>>
  /** What it does, in the words of its button, where that is known. */
  readonly doing?: string | undefined
}

/** Whose form it is; nobody else gets it, and they get it in this browser only. */
export interface FormOwner {
  /** The browser cookie's value. */
  readonly browser: string
  readonly userId: string
}

const signature = signatureOf('interrupted', [{ name: 'form', version: 1 }], null)

/** Keeps a form, sealed, for ten minutes. Answers the handle by which it is found again. */
export async function keepForm(
  services: FlowServices,
  form: InterruptedForm,
  { browser, userId }: FormOwner,
  now: Date,
): Promise<string> {
  const { handle } = await startFlow(
    services,
    {
      kind: 'interrupted',
      bound: null,
      signature,
      browserHash: hashToken(browser),
      userId,
      data: form,
    },
    now,
    { idle: keptFor, absolute: keptFor },
  )
  return handle
}

/** Takes a form out, once: whoever asks again, or is somebody else, gets nothing. */
export async function takeForm(
  services: FlowServices,
  handle: string | null,
  { browser, userId }: { readonly browser: string | null; readonly userId: string },
  now: Date,
): Promise<InterruptedForm | undefined> {
  const binding = { browser, userId, kind: 'interrupted', signature: () => signature } as const
  const loaded = await loadFlow<InterruptedForm>(services, handle, binding, now)
  if (loaded.state !== 'live') return undefined
  const first = await consumeFlow(services.db, loaded.flow.id, { kind: 'shown' }, now)
  return first ? loaded.flow.data : undefined
}
