import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { describeSchema } from '../dev/schema/describe.ts'
import { createTestDatabase } from './_database.ts'

describe('the schema in the repository is the one the migrations make', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let made: { sql: string; types: string }

  before(async () => {
    database = await createTestDatabase()
    made = await describeSchema(database.db)
  })
  after(() => database.drop())

  const files = [
    ['schema.ts', 'types'],
    ['schema.sql', 'sql'],
  ] as const
  for (const [name, part] of files) {
    it(`${name}: if not, run npm run schema`, async () => {
      const kept = await readFile(new URL(`../src/db/${name}`, import.meta.url), 'utf8')
      assert.equal(kept, made[part])
    })
  }
})
