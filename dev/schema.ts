import { writeFile } from 'node:fs/promises'
import { describeSchema } from './schema/describe.ts'
import { withTestDatabase } from '../test/_database.ts'

const files = await withTestDatabase(describeSchema)
await writeFile(new URL('../src/db/schema.ts', import.meta.url), files.types)
await writeFile(new URL('../src/db/schema.sql', import.meta.url), files.sql)
console.log('src/db/schema.ts and src/db/schema.sql are in step with the migrations.')
