import { sql } from 'kysely'
import type { Again, Answer, Grant, Presented } from '../../src/providers/again.ts'
import type { CheckPoint } from '../../src/verification/check.ts'
import { Tally } from '../../src/verification/tally.ts'
import { checkDue, type VerificationServices } from '../../src/verification/worker.ts'
import { startTestApp, type TestApp, type TestAppOptions } from '../_app.ts'
import type { Browser } from '../_browser.ts'

/** A provider that answers a refresh as it is told, and writes down what it was asked. */
export interface ScriptedAgain extends Again {
  /** Refresh tokens presented, in order. */
  readonly presented: string[]
  /** Access tokens UserInfo was asked with. */
  readonly asked: string[]
  /** What a refresh comes to. @default the next token of a family that rotates */
  onRefresh: (refreshToken: string) => Presented | Promise<Presented>
  onJudge: (() => Answer) | undefined
  onUserinfo: ((fresh: boolean) => Answer) | undefined
}

/** A provider whose tokens rotate: each refresh of `x.1` gives `x.2`. */
export function createAgain(): ScriptedAgain {
  const again: ScriptedAgain = {
    presented: [],
    asked: [],
    onRefresh: (refreshToken) => {
      const [family, n] = refreshToken.split('.')
      return {
        tokens: { accessToken: 'at', refreshToken: `${family}.${Number(n) + 1}`, expiresIn: 300 },
      }
    },
    onJudge: undefined,
    onUserinfo: undefined,
    async refresh(refreshToken) {
      again.presented.push(refreshToken)
      return again.onRefresh(refreshToken)
    },
    async judge() {
      return again.onJudge?.() ?? { answer: 'still_true', reason: 'refreshed' }
    },
    async userinfo(accessToken, _subject, fresh) {
      again.asked.push(accessToken)
      return (
        again.onUserinfo?.(fresh) ?? {
          answer: 'could_not_tell',
          doubt: 'unsupported',
          reason: 'none',
        }
      )
    },
  }
  return again
}

/** What a provider that is away comes to. */
export const away: Presented = {
  answer: { answer: 'could_not_tell', doubt: 'transient', reason: 'token: status 503' },
  spent: false,
}

/** What a provider says of somebody who is gone. */
export const gone: Presented = {
  answer: { answer: 'no_longer_true', reason: 'token: invalid_grant' },
  spent: true,
}

/** An identity as its row says. */
export interface IdentityRow {
  readonly id: string
  readonly subject: string
  readonly user_id: string
  readonly verdict: string | null
  readonly verdict_reason: string | null
  readonly check_at: Date | null
  readonly last_verified_at: Date
  readonly lease: string | null
  readonly refresh_intent: Date | null
  readonly grant_version: number
  readonly granted: Buffer | null
  readonly rung: string | null
  readonly failing_since: Date | null
  readonly held: boolean
}

/** A test application with a provider that can be asked again. */
export interface Verifying extends AsyncDisposable {
  readonly app: TestApp
  readonly again: ScriptedAgain
  readonly services: VerificationServices
  /** Signs somebody in with a grant of their own family of tokens, `<subject>.1`. */
  signIn(subject: string, grant?: Grant | null): Promise<Browser>
  /** One round of a worker. Answers how many were due. */
  round(): Promise<number>
  /** Rounds until nothing is due. */
  rounds(): Promise<void>
  identity(subject: string): Promise<IdentityRow>
  /** The state of somebody's link. */
  link(subject: string): Promise<{ state: string; reason: string | null }>
  /** Who this browser is. */
  me(browser: Browser): Promise<{ status: number; organizations: readonly string[] }>
  /** Everything audited so far with that action. */
  audited(action: string): Promise<readonly { target: string; data: Record<string, unknown> }[]>
  /** Sets something of the connection. */
  connection(set: Record<string, unknown>): Promise<void>
}

export async function startVerifying(
  options: TestAppOptions & { at?: (point: CheckPoint) => void } = {},
): Promise<Verifying> {
  const app = await startTestApp(options)
  const again = createAgain()
  app.provider.again = again
  const services: VerificationServices = {
    ...app.sallyport.services,
    tally: new Tally(),
    at: options.at,
  }
  const { db } = services
  // A test that lets hours pass is not about who is still signed in.
  await sql`update organizations set check_at_most_minutes = 60`.execute(db)
  const verifying: Verifying = {
    app,
    again,
    services,
    async signIn(subject, grant = { accessToken: `at-${subject}`, refreshToken: `${subject}.1` }) {
      app.provider.people.set(subject, grant ? { grant } : {})
      const browser = app.browser()
      await app.signIn(browser, subject)
      return browser
    },
    round: () => checkDue(services),
    async rounds() {
      while ((await checkDue(services)) > 0);
    },
    async identity(subject) {
      const { rows } = await sql<IdentityRow>`
        select * from identities where subject = ${subject}`.execute(db)
      return rows[0]!
    },
    async link(subject) {
      const { rows } = await sql<{ state: string; reason: string | null }>`
        select link_state as state, link_reason as reason from memberships m
        join identities i on i.user_id = m.user_id where i.subject = ${subject}`.execute(db)
      return rows[0]!
    },
    async me(browser) {
      const response = await browser.api('/me')
      const text = await response.text()
      const body = (text ? JSON.parse(text) : {}) as { organizations?: { slug: string }[] }
      return {
        status: response.status,
        organizations: (body.organizations ?? []).map(({ slug }) => slug),
      }
    },
    async audited(action) {
      const { rows } = await sql<{ target: string; data: Record<string, unknown> }>`
        select target, data from audit_events where action = ${action} order by id`.execute(db)
      return rows
    },
    async connection(set) {
      await db
        .updateTable('connections')
        .set(set as never)
        .where('id', '=', app.connectionId)
        .execute()
    },
    [Symbol.asyncDispose]: () => app.close(),
  }
  return verifying
}
