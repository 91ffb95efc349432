import { z } from 'zod'
import {
  createConnection,
  findConnection,
  listActiveConnections,
  readSettings,
} from '../src/accounts/connections.ts'
import { redirectUriOf } from '../src/flows/login.ts'
import type { Endpoint, Route, Services } from '../src/http/exchange.ts'
import { AppError, type ErrorCode } from '../src/lib/errors.ts'
import { openProvider } from '../src/providers/index.ts'
import { prove } from '../src/providers/proof.ts'
import type { Provider, ProviderContext } from '../src/providers/provider.ts'
import { html, page } from '../src/web/page.ts'

/** One thing that the dummy can say when somebody comes to sign in. */
const answer = z.strictObject({
  /** Whom it vouches for. */
  subject: z.string().min(1).max(255).optional(),
  name: z.string().optional(),
  email: z.string().optional(),
  emailVerified: z.boolean().optional(),
  groups: z.array(z.string()).optional(),
  /** What it refuses with instead. */
  refuses: z.enum(['sso_denied', 'sso_failed', 'sso_unavailable']).optional(),
})

type DummyAnswer = z.infer<typeof answer>

const dummyConfig = z.strictObject({ answers: z.record(z.string(), answer) })

/** What the dummy of `npm start` can say. */
export const dummySettings: z.infer<typeof dummyConfig> = {
  answers: {
    dana: { subject: 'dana', name: 'Dana', email: 'dana@acme.example', emailVerified: true },
    erin: {
      subject: 'erin',
      name: 'Erin',
      email: 'erin@acme.example',
      groups: ['staff', 'admins'],
    },
    'nobody known': { subject: 'nameless' },
    'no, thank you': { refuses: 'sso_denied' },
    'something untrue': { refuses: 'sso_failed' },
    nothing: { refuses: 'sso_unavailable' },
  },
}

/**
 * Opens a connection's provider; of the kind `dummy`, one that says what it is told to. It vouches for whomever it is
 * asked to, so it is not in the package: a connection to it opens nowhere else.
 */
export function openWithDummy(kind: string, settings: unknown, context: ProviderContext): Provider {
  if (kind !== 'dummy') return openProvider(kind, settings, context)
  const { answers } = dummyConfig.parse(settings)
  return {
    async begin({ redirectUri, handle }) {
      const redirect = new URL(`/dev/dummy/${context.connectionId}`, redirectUri)
      redirect.searchParams.set('state', handle)
      return { redirect, remember: {} }
    },
    async complete(back) {
      const name = back.searchParams.get('code') ?? ''
      const said = Object.hasOwn(answers, name) ? answers[name] : undefined
      return proofOf(said ?? { refuses: 'sso_failed' }, context.connectionId)
    },
    again: { userinfo: async () => ({ answer: 'still_true', reason: 'dummy' }) },
  }
}

function proofOf(
  { refuses, subject, ...claims }: DummyAnswer,
  connectionId: string,
): ReturnType<typeof prove> {
  const code: ErrorCode | undefined = refuses ?? (subject ? undefined : 'sso_failed')
  if (code || !subject)
    throw new AppError(code ?? 'sso_failed', { reason: 'provider_error: dummy' })
  const grant = { accessToken: 'dummy' }
  return prove({ connectionId, issuer: 'https://dummy.example', subject, claims, grant })
}

/** Gives an organization a connection to the dummy beside its own, unless it has one. */
export async function seedDummy(
  { db, sealer, clock }: Services,
  organizationId: string,
): Promise<void> {
  const connections = await listActiveConnections(db, organizationId)
  if (connections.some(({ kind }) => kind === 'dummy')) return
  const connection = { kind: 'dummy', name: 'Scripted answers', settings: dummySettings }
  await createConnection(
    db,
    sealer,
    { organizationId, ...connection, provisioning: 'everybody' },
    clock.now(),
  )
}

/** Where the dummy asks what it is to say. */
export const dummyRoute: Route = {
  method: 'GET',
  path: '/dev/dummy/:connection',
  access: 'public',
  csrf: 'none',
  body: 'none',
  endpoint: choose,
}

async function choose({ params, url, services }: Parameters<Endpoint>[0]): Promise<Response> {
  const { db, sealer, origin } = services
  const connection = await findConnection(db, params['connection'] ?? '')
  if (connection?.kind !== 'dummy') throw new AppError('not_found', { reason: 'no_such_dummy' })
  const { answers } = dummyConfig.parse(await readSettings(db, sealer, connection.id))
  const back = (code: string): string => {
    const to = new URL(redirectUriOf(origin, connection.id))
    to.searchParams.set('code', code)
    to.searchParams.set('state', url.searchParams.get('state') ?? '')
    return to.href
  }
  return page(
    { title: 'What is it to say?' },
    html`<h1>What is the provider to say?</h1>
      <p>This one says whatever it is told to. It is here for trying things out.</p>
      <ul>
        ${Object.keys(answers).map((name) => html`<li><a href="${back(name)}">${name}</a></li>`)}
      </ul>`,
  )
}
