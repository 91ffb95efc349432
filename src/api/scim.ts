import { recordEvent } from '../accounts/audit.ts'
import { findDirectory, type Directory } from '../accounts/scim-tokens.ts'
import { clientKey, countUse } from '../db/limits.ts'
import { readJson } from '../http/body.ts'
import type { Endpoint, Exchange, Route } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import {
  findDocument,
  listedDocuments,
  resourceTypes,
  schemas,
  serviceProviderConfig,
} from '../provisioning/discovery.ts'
import { listEntries, readEntry, shownEntry, type Entry } from '../provisioning/entries.ts'
import {
  createGroup,
  deleteGroup,
  listGroups,
  patchGroup,
  readGroup,
  replaceGroup,
  shownGroup,
  type Group,
} from '../provisioning/groups.ts'
import { isAskedFor, listed, projection, readListing } from '../provisioning/listing.ts'
import { createEntry, deleteEntry, patchEntry, replaceEntry } from '../provisioning/people.ts'
import { refusal, scimProblem } from '../provisioning/refusal.ts'
import type { Values } from '../provisioning/values.ts'
import { namesVersion, tagOf } from '../provisioning/versions.ts'
import type { Saying } from '../provisioning/writing.ts'

/** Where a connection's directory speaks. */
export const scimPath = '/scim/v2'

/** The largest body, in bytes, and how many members its objects have together: a group of ten thousand fits. */
const bodyLimit = 1024 * 1024
const mostKeys = 50_000

/** A request of a directory that has shown its token. */
interface Asked {
  readonly exchange: Exchange
  readonly directory: Directory
  readonly saying: Saying
  /** Where its resources are. */
  readonly base: string
  readonly id: string
  readonly query: URLSearchParams
  /** Leaves out what is not asked for. */
  readonly shows: (resource: Values) => Values
}

/** What a request is answered with once its token is good; whatever else it is, is told in the audit. */
function endpoint(answer: (asked: Asked) => Response | Promise<Response>): Endpoint {
  return async (exchange) => {
    const { services, url, params, request, requestId } = exchange
    const directory = await directoryOf(exchange)
    try {
      await countUse(
        services.db,
        'scim_of_connection',
        directory.connectionId,
        services.clock.now(),
      )
      return await answer({
        exchange,
        directory,
        saying: { directory, requestId, ifMatch: request.headers.get('if-match') },
        base: `${services.origin}${scimPath}/${directory.connectionId}`,
        id: params['id'] ?? '',
        query: url.searchParams,
        shows: projection(url.searchParams),
      })
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.status < 500)
        await tellRefused(exchange, thrown, directory)
      throw thrown
    }
  }
}

/**
 * The directory whose token came along, as one bearer token in the header and in no other way (RFC 6750 §2.1).
 * @throws AppError `token_refused`, the same whatever is wrong, and whether or not there is such a connection
 */
async function directoryOf(exchange: Exchange): Promise<Directory> {
  const { services, params, request, client } = exchange
  const now = services.clock.now()
  const [, token] = /^Bearer +([\w-]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  const directory =
    token &&
    (await findDirectory(services.db, { connectionId: params['connection'] ?? '', token }, now))
  if (directory) return directory
  await countUse(services.db, 'scim_refused_of_client', clientKey(client.address), now)
  const headers = { 'www-authenticate': 'Bearer realm="scim"' }
  const error = new AppError('token_refused', { reason: 'scim: token', headers })
  await tellRefused(exchange, error)
  throw error
}

/** Each reason once in a while: the log has it every time. */
async function tellRefused(
  { services: { db, quiet, clock }, requestId }: Exchange,
  { reason }: AppError,
  directory?: Directory,
): Promise<void> {
  const key = `scim.refused ${directory?.connectionId} ${reason}`
  if (quiet.has(key)) return
  quiet.set(key, true)
  const { organizationId, connectionId: target } = directory ?? {}
  const event = { organizationId, target, data: { reason }, requestId }
  await recordEvent(db, { action: 'scim.refused', outcome: 'deny', ...event }, clock.now())
}

function body({ exchange: { request } }: Asked): Promise<unknown> {
  return readJson(request, {
    types: ['application/scim+json', 'application/json'],
    limit: bodyLimit,
    maxKeys: mostKeys,
  }).catch((thrown: unknown) => {
    if (!(thrown instanceof AppError) || thrown.code !== 'invalid_request') throw thrown
    throw refusal('invalidSyntax', 'The body is not JSON that can be read in one way only.')
  })
}

function answerWith(values: Values, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(values), {
    status,
    headers: { 'content-type': 'application/scim+json', ...headers },
  })
}

const nothing = () => new Response(null, { status: 204 })

/** One resource, with its version; or that the directory knows that version already. */
function one(
  { exchange: { request }, shows }: Asked,
  shown: Values,
  version: number,
  status = 200,
): Response {
  const etag = tagOf(version)
  const known = request.headers.get('if-none-match')
  if (request.method === 'GET' && known !== null && namesVersion(known, version))
    return new Response(null, { status: 304, headers: { etag } })
  const { location } = shown['meta'] as { location: string }
  const headers = { etag, ...(status === 201 && { location }) }
  return answerWith(shows(shown), status, headers)
}

const person = (asked: Asked, entry: Entry, status?: number) =>
  one(asked, shownEntry(entry, asked.base), entry.version, status)

const group = (asked: Asked, found: Group, status?: number) =>
  one(asked, shownGroup(found, asked.base), found.version, status)

const listUsers = endpoint(async ({ exchange, directory, query, base, shows }) => {
  const listing = readListing(query)
  const { total, resources } = await listEntries(exchange.services.db, directory, listing)
  const shown = resources.map((entry) => shownEntry(entry, base))
  return answerWith(listed(listing, { total, resources: shown }, shows))
})

const createUser = endpoint(async (asked) =>
  person(asked, await createEntry(asked.exchange.services, asked.saying, await body(asked)), 201),
)

const readUser = endpoint(async (asked) =>
  person(asked, await readEntry(asked.exchange.services.db, asked.directory, asked.id)),
)

const replaceUser = endpoint(async (asked) => {
  const { exchange, saying, id } = asked
  return person(asked, await replaceEntry(exchange.services, saying, id, await body(asked)))
})

const patchUser = endpoint(async (asked) => {
  const { exchange, saying, id } = asked
  return person(asked, await patchEntry(exchange.services, saying, id, await body(asked)))
})

const deleteUser = endpoint(async ({ exchange, saying, id }) => {
  await deleteEntry(exchange.services, saying, id)
  return nothing()
})

const listAllGroups = endpoint(async ({ exchange, directory, query, base, shows }) => {
  const listing = readListing(query)
  const members = isAskedFor(query, 'members')
  const page = await listGroups(exchange.services.db, directory, listing, { members })
  const resources = page.resources.map((found) => shownGroup(found, base))
  return answerWith(listed(listing, { ...page, resources }, shows))
})

const makeGroup = endpoint(async (asked) =>
  group(asked, await createGroup(asked.exchange.services, asked.saying, await body(asked)), 201),
)

const readOneGroup = endpoint(async (asked) => {
  const { exchange, directory, id, query } = asked
  const members = isAskedFor(query, 'members')
  return group(asked, await readGroup(exchange.services.db, directory, id, { members }))
})

const replaceOneGroup = endpoint(async (asked) => {
  const { exchange, saying, id } = asked
  return group(asked, await replaceGroup(exchange.services, saying, id, await body(asked)))
})

/** Without an answer, unless one is asked for: a group may be large (RFC 7644 §3.5.2). */
const patchOneGroup = endpoint(async (asked) => {
  const { exchange, saying, id, query } = asked
  const patched = await patchGroup(exchange.services, saying, id, await body(asked))
  if (query.has('attributes') || query.has('excludedAttributes')) return group(asked, patched)
  return new Response(null, { status: 204, headers: { etag: tagOf(patched.version) } })
})

const deleteOneGroup = endpoint(async ({ exchange, saying, id }) => {
  await deleteGroup(exchange.services, saying, id)
  return nothing()
})

/** The documents by which a directory finds out what there is (RFC 7644 §4). */
const described = endpoint(({ exchange, base, id }) => {
  const [, what] =
    /\/(ServiceProviderConfig|ResourceTypes|Schemas)(?:\/|$)/.exec(exchange.url.pathname) ?? []
  if (what === 'ServiceProviderConfig') return answerWith(serviceProviderConfig(base))
  const documents = what === 'Schemas' ? schemas(base) : resourceTypes(base)
  if (id === '') return answerWith(listedDocuments(documents))
  const found = findDocument(documents, id)
  if (!found) throw new AppError('not_found', { reason: 'scim: no_such_document' })
  return answerWith(found)
})

const methods: Readonly<Record<string, string>> = {
  Users: 'GET, POST',
  'Users/': 'GET, PUT, PATCH, DELETE',
  Groups: 'GET, POST',
  'Groups/': 'GET, PUT, PATCH, DELETE',
  ServiceProviderConfig: 'GET',
  ResourceTypes: 'GET',
  'ResourceTypes/': 'GET',
  Schemas: 'GET',
  'Schemas/': 'GET',
}

/** What a directory may ask for, and is not there (RFC 7644 §3.2, §3.7, §3.11). */
const missing = ['Bulk', 'Me']

/** Everything else below a connection's address: another method, what is not supported, or nothing. */
const anythingElse = endpoint(({ exchange: { url } }) => {
  const [, , , , first = '', ...rest] = url.pathname.split('/')
  if (missing.includes(first))
    throw new AppError('not_supported', { reason: 'scim: not_supported' })
  const allow = rest.length > 1 ? undefined : methods[rest.length === 1 ? `${first}/` : first]
  if (allow === undefined) throw new AppError('not_found', { reason: 'scim: no_such_path' })
  throw new AppError('method_not_allowed', { reason: 'scim: method', headers: { allow } })
})

const row = (method: Route['method'], path: string, answer: Endpoint): Route => ({
  method,
  path: `${scimPath}/:connection/${path}`,
  access: 'public',
  csrf: 'none',
  body: ['POST', 'PUT', 'PATCH'].includes(method) ? 'json' : 'none',
  crossSite: true,
  problem: scimProblem,
  endpoint: answer,
})

/** Where directories say who belongs to an organization (SCIM 2.0, RFC 7644). Each request shows a connection's token. */
export const scimRoutes: readonly Route[] = [
  row('GET', 'Users', listUsers),
  row('POST', 'Users', createUser),
  row('GET', 'Users/:id', readUser),
  row('PUT', 'Users/:id', replaceUser),
  row('PATCH', 'Users/:id', patchUser),
  row('DELETE', 'Users/:id', deleteUser),
  row('GET', 'Groups', listAllGroups),
  row('POST', 'Groups', makeGroup),
  row('GET', 'Groups/:id', readOneGroup),
  row('PUT', 'Groups/:id', replaceOneGroup),
  row('PATCH', 'Groups/:id', patchOneGroup),
  row('DELETE', 'Groups/:id', deleteOneGroup),
  row('GET', 'ServiceProviderConfig', described),
  row('GET', 'ResourceTypes', described),
  row('GET', 'ResourceTypes/:id', described),
  row('GET', 'Schemas', described),
  row('GET', 'Schemas/:id', described),
  row('ALL', '*', anythingElse),
]
