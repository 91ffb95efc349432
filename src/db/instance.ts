import { OperatorError } from '../lib/errors.ts'
import type { Db } from './open.ts'

/** Whether the database was marked as one for development when it was made. */
export async function isDevelopmentDatabase(db: Db): Promise<boolean> {
  const row = await db.selectFrom('instance').select('purpose').executeTakeFirst()
  return row?.purpose === 'development'
}

/**
 * Refuses to serve invented people as if they were real: anybody can sign in as them where they come from.
 * @throws OperatorError in production, on a database for development
 */
export async function assertPurpose(db: Db, mode: string): Promise<void> {
  if (mode !== 'production' || !(await isDevelopmentDatabase(db))) return
  throw new OperatorError(
    'security.development_database_refused: This database was made for development; its people are invented, and ' +
      'their sessions could be had by anybody. Set DATABASE_URL or SALLYPORT_DATA to another one. Nothing was changed.',
  )
}
