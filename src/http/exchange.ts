import type { AddressRange } from '../lib/addresses.ts'
import type { Bulkhead } from '../lib/bulkhead.ts'
import type { Resolver } from '../lib/dns.ts'
import type { Egress } from '../lib/egress.ts'
import type { AppError } from '../lib/errors.ts'
import type { Mailer } from '../lib/mail.ts'
import type { Secret } from '../lib/secrets.ts'
import type { Asker, SessionServices } from '../sessions/authenticate.ts'
import type { Access } from '../sessions/access.ts'
import type { Retention } from '../flows/upkeep.ts'
import type { PersonalServices } from '../flows/mail-login.ts'

/** Everything an endpoint may need; wired by hand in `app.ts`. */
export interface Services extends SessionServices, PersonalServices {
  readonly proxies: readonly AddressRange[]
  readonly proxySecret: Secret | undefined
  readonly version: string
  /** Origins whose programs may read the answers of routes with `cors`. */
  readonly corsOrigins: readonly string[]
  /** How long what has ended is kept. */
  readonly retention: Retention
  /** The terms of use that whoever registers is shown. */
  readonly termsUrl: URL | undefined
  /** Who may make an organization. */
  readonly organizations: 'off' | 'anybody'
  /** How many requests about one organization or connection are under way. */
  readonly shares: Bulkhead
  /** Who carries mail; undefined where there is none. */
  readonly mailer: Mailer | undefined
  /** The one way out, for checking a provider before it is connected. */
  readonly egress: Egress
  /** Who is asked for the records that prove domains. */
  readonly resolver: Resolver
  /** How a person is told of an error. */
  readonly errorPage: (error: AppError, context: ErrorContext) => Response | Promise<Response>
}

/** What an error page may say beside the error's own two lines. */
export interface ErrorContext {
  readonly requestId: string
  readonly url: URL
  readonly services: Services
}

/** Whom the connection came from. */
export interface Client {
  /** The nearest address that is not a believed proxy; undefined when nobody said. */
  readonly address: string | undefined
  /** Whether the request came through a believed proxy, so that its `X-Forwarded-*` headers count. */
  readonly proxied: boolean
}

/** How the caller wants to be answered. */
export type Caller = 'navigation' | 'api' | 'preflight'

/** One request on its way to an answer. */
export interface Exchange {
  readonly services: Services
  readonly request: Request
  readonly url: URL
  /** The parts of the path that the route names, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** The posted form; empty unless the route takes one. */
  readonly form: Readonly<Record<string, string>>
  readonly requestId: string
  readonly client: Client
  readonly caller: Caller
  readonly asker: Asker
}

export type Endpoint = (exchange: Exchange) => Response | Promise<Response>

/** One endpoint and everything that is checked before it runs. Nothing is inferred. */
export interface Route {
  /** `ALL`: any method, for an endpoint that is asked about other requests, or answers for a whole tree of paths. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'ALL'
  readonly path: string
  /** Who may call it. */
  readonly access: Access
  /** `same-origin`: only from our own pages. Every route that changes something has it. */
  readonly csrf: 'none' | 'same-origin'
  /** `json`: the endpoint reads it. */
  readonly body: 'none' | 'form' | 'json'
  /** The largest form, in bytes. @default `formLimit` */
  readonly limit?: number
  /**
   * Whether other sites have browsers post here. No cookie of ours comes along, so none is read, and none is set in place
   * of those that are missing. @default false
   */
  readonly crossSite?: boolean
  /** What its form does, in the words of its button: for whoever has to sign in once more before it is done. */
  readonly doing?: string
  /** Whether the browser's hint is read, because the answer's wording uses it. */
  readonly hint?: boolean
  /** Whether programs on the allowed origins may read the answer. @default false */
  readonly cors?: boolean
  /** How whoever calls it is told of an error. @default people by a page, programs by a problem document */
  readonly problem?: (error: AppError) => Response
  readonly endpoint: Endpoint
}
