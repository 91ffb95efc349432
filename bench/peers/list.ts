/** A system that Sallyport is measured beside, and what it needs. */
export interface Peer {
  readonly name: string
  /** Its own documentation of what is measured here. */
  readonly docs: string
  readonly needs?: 'redis' | 'apache'
}

export const peers = {
  'better-auth': {
    name: 'better-auth',
    docs: 'https://www.better-auth.com/docs/concepts/session-management',
  },
  'express-pg': {
    name: 'express-session, connect-pg-simple',
    docs: 'https://github.com/voxpelli/node-connect-pg-simple#readme',
  },
  'express-redis': {
    name: 'express-session, connect-redis',
    docs: 'https://github.com/expressjs/session#readme',
    needs: 'redis',
  },
  iron: { name: 'iron-session', docs: 'https://github.com/vvo/iron-session#readme' },
  'oidc-provider': {
    name: 'oidc-provider',
    docs: 'https://github.com/panva/node-oidc-provider/blob/main/docs/README.md#featuresintrospection',
  },
  apache: {
    name: 'mod_auth_openidc',
    docs: 'https://github.com/OpenIDC/mod_auth_openidc/wiki/OAuth-2.0-Resource-Server',
    needs: 'apache',
  },
} as const satisfies Readonly<Record<string, Peer>>

export type PeerId = keyof typeof peers

/** One thing that is measured: how often a second something finds out whether a session is good. */
export interface Row {
  readonly what: string
  readonly how: 'over HTTP' | 'in process'
  /** @default Sallyport, or the floor */
  readonly peer?: PeerId
  readonly needs?: 'redis' | 'apache'
  readonly ours?: true
}

/** Every row, by id, best first as far as one can guess. */
export const rows = {
  'http.floor': { what: 'floor: node:http, a hash and a Map', how: 'over HTTP' },
  'http.sallyport.warm': { what: 'Sallyport /verify, from memory', how: 'over HTTP', ours: true },
  'http.apache': {
    what: 'mod_auth_openidc, introspection from its cache',
    how: 'over HTTP',
    peer: 'apache',
    needs: 'apache',
  },
  'http.sallyport.cold': {
    what: 'Sallyport /verify, from PostgreSQL',
    how: 'over HTTP',
    ours: true,
  },
  'http.oidc-provider': {
    what: 'oidc-provider, introspection, in memory',
    how: 'over HTTP',
    peer: 'oidc-provider',
  },
  'http.express-redis': {
    what: 'express-session, Redis',
    how: 'over HTTP',
    peer: 'express-redis',
    needs: 'redis',
  },
  'http.express-pg': {
    what: 'express-session, PostgreSQL',
    how: 'over HTTP',
    peer: 'express-pg',
  },
  'http.iron': { what: 'iron-session, stateless', how: 'over HTTP', peer: 'iron' },
  'http.better-auth.cookie': {
    what: 'better-auth, cookie cache',
    how: 'over HTTP',
    peer: 'better-auth',
  },
  'http.better-auth.redis': {
    what: 'better-auth, Redis',
    how: 'over HTTP',
    peer: 'better-auth',
    needs: 'redis',
  },
  'http.better-auth.pg': {
    what: 'better-auth, PostgreSQL',
    how: 'over HTTP',
    peer: 'better-auth',
  },
  'process.floor': { what: 'floor: a hash and a Map', how: 'in process' },
  'process.sallyport.warm': {
    what: 'Sallyport authenticate(), from memory',
    how: 'in process',
    ours: true,
  },
  'process.sallyport.cold': {
    what: 'Sallyport authenticate(), from PostgreSQL',
    how: 'in process',
    ours: true,
  },
  'process.better-auth.cookie': {
    what: 'better-auth getSession, cookie cache',
    how: 'in process',
    peer: 'better-auth',
  },
  'process.better-auth.redis': {
    what: 'better-auth getSession, Redis',
    how: 'in process',
    peer: 'better-auth',
    needs: 'redis',
  },
  'process.better-auth.pg': {
    what: 'better-auth getSession, PostgreSQL',
    how: 'in process',
    peer: 'better-auth',
  },
} as const satisfies Readonly<Record<string, Row>>

export type RowId = keyof typeof rows

/** One way of keeping a session alive that has been ended, tried again and again. */
export interface Trial {
  readonly what: string
  readonly setting: string
  /** @default Sallyport */
  readonly peer?: PeerId
  readonly needs?: 'redis' | 'apache'
}

/** A session is ended elsewhere, and asked for at once where it was in use. */
export const stale = {
  'stale.sallyport': {
    what: 'Sallyport, revoked on one node, asked on another',
    setting: 'both answer from memory',
  },
  'stale.better-auth.pg': {
    what: 'better-auth, PostgreSQL',
    setting: 'no cookie cache: the default',
    peer: 'better-auth',
  },
  'stale.better-auth.cookie': {
    what: 'better-auth, PostgreSQL, cookie cache',
    setting: '`cookieCache.maxAge`: 5 s for the time measured here, 5 minutes in its documentation',
    peer: 'better-auth',
  },
  'stale.express-pg': {
    what: 'express-session, PostgreSQL',
    setting: 'reads its store at every request',
    peer: 'express-pg',
  },
  'stale.express-redis': {
    what: 'express-session, Redis',
    setting: 'reads its store at every request',
    peer: 'express-redis',
    needs: 'redis',
  },
  'stale.iron': {
    what: 'iron-session, a copy of the cookie',
    setting: 'lasts until `ttl`, 14 days by default; not waited for',
    peer: 'iron',
  },
  'stale.apache': {
    what: 'mod_auth_openidc, a bearer token',
    setting:
      '`OIDCOAuthTokenIntrospectionInterval 0`, the default: until the token’s `exp`, 5 s for the time measured here',
    peer: 'apache',
    needs: 'apache',
  },
} as const satisfies Readonly<Record<string, Trial>>

/** A write that keeps a session alive is held up until the sign-out is over. */
export const races = {
  'race.sallyport': {
    what: 'Sallyport, a sliding write on its way for 250 ms',
    setting: 'the default',
  },
  'race.better-auth.redis': {
    what: 'better-auth, Redis as secondary storage',
    setting: '`updateAge: 0`, so that each request moves the end on',
    peer: 'better-auth',
    needs: 'redis',
  },
  'race.express-redis.touch': {
    what: 'express-session, Redis, a request that changes nothing',
    setting: '`resave: false`, as recommended for this store',
    peer: 'express-redis',
    needs: 'redis',
  },
  'race.express-redis.write': {
    what: 'express-session, Redis, a request that writes to its session',
    setting: '`resave: false`',
    peer: 'express-redis',
    needs: 'redis',
  },
  'race.express-redis.resave': {
    what: 'express-session, Redis, a request that changes nothing',
    setting: '`resave: true`, the deprecated default',
    peer: 'express-redis',
    needs: 'redis',
  },
  'race.express-pg.write': {
    what: 'express-session, PostgreSQL, a request that writes to its session',
    setting: '`resave: false`',
    peer: 'express-pg',
  },
} as const satisfies Readonly<Record<string, Trial>>

export type StaleId = keyof typeof stale
export type RaceId = keyof typeof races
