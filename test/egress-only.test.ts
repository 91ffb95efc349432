import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { suite, test } from 'node:test'

/** The modules that can open a connection, and what of them cannot. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  'node:http': ['createServer', 'STATUS_CODES'],
  'node:https': ['createServer'],
  'node:http2': ['createServer', 'createSecureServer'],
  'node:net': ['createServer', 'isIP', 'isIPv4', 'isIPv6', 'BlockList'],
  'node:tls': [],
  'node:dgram': [],
  'node:dns': [],
  'node:dns/promises': [],
  undici: [],
  nodemailer: [],
}

/**
 * The other ways out: to the servers that the settings name for mail and for metrics, to the machine's name servers,
 * and nowhere else. Names are resolved for what the egress client dials, and asked for the records that prove domains.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'src/lib/mail.ts': ['imports all of nodemailer'],
  'src/lib/dns.ts': ['imports Resolver from node:dns/promises'],
  'src/lib/targets.ts': ['imports Resolver from node:dns/promises'],
  'src/lib/statsd.ts': ['imports createSocket from node:dgram'],
}

/** What opens a connection without an import, or behind a library's back. */
const calls: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['calls the global fetch', /(?<![.\w])fetch\((?![^()]*\)\s*\{|\w+\??: )/],
  ['hands the global fetch on', /\bglobalThis\.fetch\b|[:=?]\s*fetch\b(?![\w(:])/],
  ['opens a WebSocket', /\bnew WebSocket\b/],
  ['opens an EventSource', /\bnew EventSource\b/],
  ['lets jose fetch', /\bcreateRemoteJWKSet\b/],
  [
    'lets oauth4webapi fetch',
    /^(?![^]*\bcustomFetch\b)[^]*import \{[^}]*Request\b[^}]*\} from 'oauth4webapi'/,
  ],
  ['loads a module by another way', /\brequire\(|\bprocess\.getBuiltinModule\b/],
]

const statement = /^(?:import|export)\b([^'"]*?)\bfrom\s*['"]([^'"]+)['"]/gm
const otherImport = /\bimport\s*\(?\s*['"`]([^'"`]+)['"`]/g

/** What in a source could open a connection. */
function openings(source: string): string[] {
  const code = source.replace(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
  const found = calls.filter(([, pattern]) => pattern.test(code)).map(([what]) => what)
  for (const [, clause = '', module = ''] of code.matchAll(statement)) {
    for (const name of namesIn(clause)) {
      const allowed = allowedOf(module)
      if (allowed && !allowed.includes(name)) found.push(`imports ${name} from ${module}`)
    }
  }
  for (const [, module = ''] of code.matchAll(otherImport)) {
    if (allowedOf(module)) found.push(`imports all of ${module}`)
  }
  return found
}

function allowedOf(module: string): readonly string[] | undefined {
  return harmless[module] ?? harmless[`node:${module}`]
}

/** The values that an import clause brings in; types are nothing at run time. */
function namesIn(clause: string): string[] {
  if (/^\s*type\b/.test(clause)) return []
  return clause
    .replace(/[{}]/g, ',')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !name.startsWith('type '))
    .map((name) => name.replace(/\s+as\s+\w+$/, ''))
}

suite('egress only', () => {
  test('nothing but the egress client opens an outbound connection to where a request says', async () => {
    const found: string[] = []
    for await (const path of glob('src/**/*.ts')) {
      if (path === 'src/lib/egress.ts') continue
      const opened = openings(await readFile(path, 'utf8'))
      const more = opened.filter((what) => !allowed[path]?.includes(what))
      found.push(...more.map((what) => `${path} ${what}`))
    }
    assert.deepEqual(found, [])
  })

  test('every way to open a connection would be noticed', async () => {
    const ways = [
      `import { request } from 'node:http'`,
      `import { createServer, request as ask } from 'node:https'`,
      `import {\n  createServer,\n  get,\n} from 'http'`,
      `import http from 'node:http'`,
      `import * as net from 'node:net'`,
      `import { connect } from 'node:tls'`,
      `export { connect } from 'node:http2'`,
      `import { fetch } from 'undici'`,
      `import { createTransport } from 'nodemailer'`,
      `import 'node:http'`,
      `import { resolveTxt } from 'node:dns/promises'`,
      `import { lookup } from 'dns'`,
      `const { request } = await import('node:http')`,
      `const http = require('node:http')`,
      `const http = process.getBuiltinModule('node:http')`,
      `await fetch('https://idp.example/')`,
      `await fetch(url.href, { method: 'POST' })`,
      `if (await fetch(url)) {}`,
      `return globalThis.fetch(url)`,
      `discover(issuer, { [customFetch]: fetch })`,
      `const ask = fetch`,
      `new WebSocket('wss://idp.example/')`,
      `const keys = createRemoteJWKSet(url)`,
      `import { tokenRequest, refreshTokenGrantRequest } from 'oauth4webapi'`,
      await readFile('src/lib/egress.ts', 'utf8'),
    ]
    for (const way of ways) assert.notDeepEqual(openings(way), [], way)
  })

  test('serving, types and the egress client itself are no connections', () => {
    const others = [
      `import { createServer } from 'node:http'\nimport type { Server } from 'node:http'`,
      `import { isIP, type Socket } from 'node:net'`,
      `await egress.fetch(url, { share })`,
      `export default { async fetch(request: Request): Promise<Response> { return app.fetch(request) } }`,
      `import { customFetch, authorizationCodeGrantRequest } from 'oauth4webapi'`,
      `// fetch(url)\n/** new WebSocket */`,
      `interface App { fetch(request: Request): Response }`,
      `const app = { fetch: handle, async fetch(request) { return handle(request) } }`,
    ]
    for (const other of others) assert.deepEqual(openings(other), [], other)
  })
})
