import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { sql } from 'kysely'
import {
  createConnection,
  proposeSettings,
  readAnswersOf,
  readSettings,
  readVersion,
} from '../../src/accounts/connections.ts'
import { openGrant, sealGrant } from '../../src/accounts/grants.ts'
import { linkIdentity } from '../../src/accounts/identities.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { resealAll, sealedColumns } from '../../src/accounts/resealing.ts'
import { createUser } from '../../src/accounts/users.ts'
import { days, later } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { createSealer, type SealingKey } from '../../src/lib/seal.ts'
import { Secret } from '../../src/lib/secrets.ts'
import { openIdToken, sealIdToken } from '../../src/sessions/id-token-hint.ts'
import { createTestDatabase } from '../_database.ts'

const keyOf = (id: string): SealingKey => ({ id, key: new Secret(randomBytes(32)) })
const [older, newer] = [keyOf('k1'), keyOf('key-2')] as [SealingKey, SealingKey]
const now = new Date('2026-06-01T12:00:00Z')

/** Columns of bytes that hold no secret of ours to open again, or none that outlives a day. */
const others = new Set(['flows.data', 'passkeys.credential_id', 'passkeys.public_key'])

describe('sealing anew', () => {
  it('SEC-03 what was sealed under an older key opens with the new one alone, and what people changed meanwhile stays', async (t) => {
    const { db, drop } = await createTestDatabase()
    t.after(drop)
    const before = createSealer([older])
    const { id: organizationId } = await createOrganization(db, { slug: 'acme', name: 'Acme' }, now)
    const draft = { organizationId, kind: 'oidc', name: 'SSO', settings: { a: 1 } }
    const connectionId = await createConnection(db, before, draft, now)
    const saved = { connectionId, savedBy: null, at: now, answers: { secret: 's' } }
    for (let i = 2; i <= 4; i++) await proposeSettings(db, before, { ...saved, settings: { a: i } })
    const userId = await createUser(db, { name: 'Alice' }, now)
    const who = { connectionId, issuer: 'https://idp.example', subject: 'alice' }
    const identityId = await linkIdentity(db, { key: who, userId, claims: {} }, now)
    const grant = { refreshToken: 'r-1' }
    const granted = sealGrant(before, identityId, grant)
    await db.updateTable('identities').set({ granted }).where('id', '=', identityId).execute()
    const hint = sealIdToken(before, identityId, 'an.id.token')
    const ids = { session: newId(), later: later(now, days(1)) }
    await sql`
      insert into sessions (id, token_hash, user_id, kind, browser_hash, authenticated_at, last_seen_at, idle_ends_at,
        absolute_ends_at, created_at)
      values (${ids.session}, ${randomBytes(32)}, ${userId}, 'user', ${randomBytes(32)}, ${now}, ${now}, ${ids.later}, ${ids.later}, ${now})`.execute(
      db,
    )
    await sql`
      insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at,
        proved_at, last_seen_at, id_token_hint)
      values (${ids.session}, ${organizationId}, ${connectionId}, ${identityId}, 1, ${now}, ${now}, ${now}, ${hint})`.execute(
      db,
    )

    const both = createSealer([newer, older])
    const told: (readonly [number, number])[] = []
    const done = await resealAll(db, both, (...progress) => told.push(progress))
    assert.equal(told.at(-1)![0], done)
    assert.deepEqual(told.at(-1), [done, done])

    const after = createSealer([newer])
    assert.deepEqual(await readSettings(db, after, connectionId), { a: 1 })
    assert.deepEqual(await readVersion(db, after, connectionId, 4), { a: 4 })
    assert.deepEqual((await readAnswersOf(db, after, connectionId, 3)).answers, { secret: 's' })
    const row = await db
      .selectFrom('identities')
      .select('granted')
      .where('id', '=', identityId)
      .executeTakeFirstOrThrow()
    assert.deepEqual(openGrant(after, identityId, row.granted!), grant)
    const proof = await db
      .selectFrom('session_proofs')
      .select('id_token_hint')
      .executeTakeFirstOrThrow()
    assert.equal(openIdToken(after, identityId, proof.id_token_hint!), 'an.id.token')
    assert.equal(await resealAll(db, both), 0)
  })

  it('SEC-03 every column of bytes is a hash, short-lived, or sealed anew', async () => {
    const schema = await readFile(new URL('../../src/db/schema.sql', import.meta.url), 'utf8')
    const found = [...schema.matchAll(/^create table (\w+) \(\n([^;]+)\);/gm)].flatMap(
      ([, table, columns = '']) =>
        [...columns.matchAll(/^ {2}(\w+) bytea/gm)].map(([, column]) => `${table}.${column}`),
    )
    const lasting = found.filter((name) => !name.endsWith('hash') && !others.has(name))
    assert.deepEqual(
      lasting.sort(),
      sealedColumns.map(({ table, column }) => `${table}.${column}`).sort(),
    )
  })
})
