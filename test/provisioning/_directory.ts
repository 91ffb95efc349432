import assert from 'node:assert/strict'
import { sql } from 'kysely'
import {
  createScimToken,
  setScimMatch,
  switchScim,
  type ScimMatch,
} from '../../src/accounts/scim-tokens.ts'
import { newId } from '../../src/lib/ids.ts'
import type { TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { plant } from '../_canaries.ts'

/** JSON as it came, to look into. */
// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into freely
export type Json = any

/** What a server answered. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Json
}

/** The names of schemas that every client sends. */
export const user = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const group = 'urn:ietf:params:scim:schemas:core:2.0:Group'
export const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

/** A directory, as far as RFC 7644 goes. */
export class ScimClient {
  readonly app: TestApp
  readonly connectionId: string
  readonly token: string
  readonly base: string

  constructor(app: TestApp, connectionId: string, token: string) {
    this.app = app
    this.connectionId = connectionId
    this.token = token
    this.base = `/scim/v2/${connectionId}`
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string | undefined> = {},
  ): Promise<Answer> {
    const sent = {
      accept: 'application/scim+json, application/json',
      authorization: `Bearer ${this.token}`,
      ...(body !== undefined && { 'content-type': 'application/scim+json; charset=utf-8' }),
      ...headers,
    }
    const response = await this.app.browser().request(this.base + path, {
      method,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      headers: Object.fromEntries(
        Object.entries(sent).filter((entry): entry is [string, string] => entry[1] !== undefined),
      ),
    })
    const text = await response.text()
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(response.headers.get('access-control-allow-origin'), null)
    if (text !== '') assert.equal(response.headers.get('content-type'), 'application/scim+json')
    const answer = { status: response.status, headers: response.headers, body: parsed(text) }
    if (answer.status >= 400) {
      assert.deepEqual(answer.body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error'])
      assert.equal(answer.body.status, String(answer.status))
      assert.equal(typeof answer.body.detail, 'string')
    }
    return answer
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.send('GET', path, undefined, headers)
  }

  /** Everything with that filter. */
  async find(what: string, filter: string): Promise<readonly Json[]> {
    const { status, body } = await this.get(`/${what}?filter=${encodeURIComponent(filter)}`)
    assert.equal(status, 200, JSON.stringify(body))
    return body.Resources
  }

  /** Makes a user who is active. */
  async create(userName: string, more: Json = {}): Promise<Json> {
    const { status, body } = await this.send('POST', '/Users', {
      schemas: [user],
      userName,
      ...more,
    })
    assert.equal(status, 201, JSON.stringify(body))
    return body
  }

  patch(id: string, Operations: readonly Json[], of = 'Users'): Promise<Answer> {
    return this.send('PATCH', `/${of}/${id}`, { schemas: [patchOp], Operations })
  }

  setActive(id: string, active: boolean): Promise<Answer> {
    return this.patch(id, [{ op: 'replace', path: 'active', value: active }])
  }

  async makeGroup(displayName: string, ids: readonly string[] = []): Promise<Json> {
    const members = ids.map((value) => ({ value }))
    const body = { schemas: [group], displayName, members }
    const answer = await this.send('POST', '/Groups', body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }
}

function parsed(text: string): Json {
  return text === '' ? undefined : JSON.parse(text)
}

/** Lets a directory speak for a connection. */
export async function startDirectory(
  app: TestApp,
  {
    connectionId = app.connectionId,
    match = 'userName',
  }: { connectionId?: string; match?: ScimMatch } = {},
): Promise<ScimClient> {
  const { db, clock } = app.sallyport.services
  const now = clock.now()
  const { organization_id: organizationId } = await db
    .selectFrom('connections')
    .select('organization_id')
    .where('id', '=', connectionId)
    .executeTakeFirstOrThrow()
  const doing = { organizationId, connectionId, actorId: newId(), requestId: 'test' }
  const token = await db.transaction().execute(async (tx) => {
    await switchScim(tx, doing, true, now)
    await setScimMatch(tx, doing, match, now)
    // Nobody's act: there may be no account yet.
    const made = await sql<{ id: string }>`select id from users limit 1`.execute(tx)
    const actorId = made.rows[0]?.id ?? (await makeUser(tx, now))
    return createScimToken(tx, { ...doing, actorId }, now)
  })
  plant(token!.token)
  return new ScimClient(app, connectionId, token!.token)
}

async function makeUser(tx: TestApp['sallyport']['services']['db'], now: Date): Promise<string> {
  const id = newId()
  const row = { id, name: 'An administrator', kind: 'person', created_at: now }
  await tx.insertInto('users').values(row).execute()
  return id
}

/** Who a browser is; undefined: nobody. */
export async function whoIs(
  browser: Browser,
): Promise<{ id: string; organizations: readonly { slug: string; role: string }[] } | undefined> {
  const response = await browser.api('/me')
  if (response.status !== 200) return undefined
  const { user: person, organizations = [] } = (await response.json()) as Json
  return { id: person.id, organizations }
}

/** Somebody signed in, or refused. */
export async function signIn(
  app: TestApp,
  subject: string,
  connectionId: string = app.connectionId,
): Promise<{ status: number; browser: Browser }> {
  const browser = app.browser()
  const { status } = await app.signIn(browser, subject, { connectionId })
  return { status, browser }
}

/** Everything in the audit with that action. */
export async function audited(
  app: TestApp,
  action: string,
): Promise<readonly { outcome: string; target: string | null; data: Json }[]> {
  const { rows } = await sql<{ outcome: string; target: string | null; data: Json }>`
    select outcome, target, data from audit_events where action = ${action} order by id`.execute(
    app.sallyport.services.db,
  )
  return rows
}
