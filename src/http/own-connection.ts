import { findConnectionOf, type Connection } from '../accounts/connections.ts'
import { AppError } from '../lib/errors.ts'
import { hasKeys } from '../providers/index.ts'
import type { Membership } from '../sessions/lookup.ts'
import type { Exchange } from './exchange.ts'

/**
 * The connection that an address names, where it is the organization's and has keys of its own.
 * @throws AppError `not_found` for any other, as if it did not exist
 */
export async function connectionWithKeys(
  { services, params }: Exchange,
  { id }: Membership,
): Promise<Connection> {
  const connection = await findConnectionOf(services.db, id, params['connection'] ?? '')
  if (!connection || !hasKeys(connection.kind))
    throw new AppError('not_found', { reason: 'unknown_connection' })
  return connection
}
