import { readDatabaseTime } from '../db/open.ts'
import type { Endpoint } from '../http/exchange.ts'

/** `GET /healthz`: the process is alive. */
export const healthz: Endpoint = () => Response.json({ status: 'ok' })

/** `GET /readyz`: the process can answer for sessions, because the database answers it. */
export const readyz: Endpoint = async ({ services }) => {
  await readDatabaseTime(services.db)
  return Response.json({ status: 'ready' })
}

/** `GET /version`: which Sallyport this is. */
export const version: Endpoint = ({ services }) => Response.json({ version: services.version })
