import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from '../../src/http/server.ts'
import { work } from '../process.ts'

/**
 * The fastest OpenID provider there can be: it believes everything. The code it redeems was made by the load itself and
 * says whom the token is for; all that is left to do is one ES256 signature.
 */
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** What a code says. */
export interface Code {
  readonly sub: string
  readonly nonce: string
}

let issuer = ''
const clientId = 'bench'
const header = encode({ alg: 'ES256', kid: 'bench' })

const endpoints: Readonly<Record<string, (body: string) => unknown>> = {
  '/.well-known/openid-configuration': () => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    id_token_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
  }),
  '/jwks': () => ({
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' }],
  }),
  '/token': (body) => ({
    access_token: 'bench',
    token_type: 'Bearer',
    id_token: idToken(decode(new URLSearchParams(body).get('code')!)),
  }),
}

function idToken({ sub, nonce }: Code): string {
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: clientId, sub, nonce, iat, exp: iat + 300, name: sub }
  const signed = `${header}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(signed), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  return `${signed}.${signature.toString('base64url')}`
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(code: string): Code {
  return JSON.parse(Buffer.from(code, 'base64url').toString()) as Code
}

const server = createServer(async (request, response) => {
  const answer = endpoints[request.url!]!(await text(request))
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(answer))
})

const port = await listen(server, { host: '127.0.0.1', port: 0 })
issuer = `http://127.0.0.1:${port}`

work({ issuer, clientId }, {}, () => server.closeAllConnections())
