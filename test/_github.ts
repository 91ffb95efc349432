import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

type Json = Record<string, unknown>

/** An imitation of what of GitHub is asked at a sign-in, on loopback. Honest until it is told otherwise. */
export interface GitHub {
  readonly origin: string
  readonly clientId: string
  readonly clientSecret: string
  /** Every code, token and secret there is: none of them may ever be seen in an error or a log. */
  readonly canaries: string[]
  /** The paths that were asked, oldest first. */
  readonly asked: string[]
  /** Who signs in. */
  user: Json
  emails: unknown
  /** Memberships by the organization's name. */
  memberships: Record<string, Json>
  /** The scopes that somebody granted: without `read:org` memberships are not told. */
  scopes: readonly string[]
  /** Paths that answer in their own way. */
  readonly answers: Map<string, (response: ServerResponse) => void>
  /** Changes the return of the browser. */
  back: ((url: URL) => void) | undefined
  /** What the token endpoint answers with, and in which form. */
  tokens: ((body: Json) => Json) | undefined
  form: boolean
  reset(): void
  /** Settings made for GitHub, made for this. */
  here(settings: unknown): Json
  visit(redirect: URL): URL
  close(): Promise<void>
}

const organization = { login: 'acme', id: 9919 }

/** Starts it on a free port. */
export async function startGitHub(): Promise<GitHub> {
  const grants = new Map<string, URLSearchParams>()
  const bearers = new Set<string>()

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', headers } = request
    github.asked.push(url)
    const own = github.answers.get(url)
    if (own) return own(response)
    if (url === '/login/oauth/access_token') return redeem(await text(request), response)
    if (!headers['user-agent']) return send(response, 403, { message: 'Request forbidden' })
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
    if (!bearers.has(token)) return send(response, 401, { message: 'Bad credentials' })
    const [status, body] = tell(url)
    send(response, status, body)
  }

  function tell(url: string): readonly [status: number, body: unknown] {
    if (url === '/user') return [200, github.user]
    if (url === '/user/emails') return [200, github.emails]
    const name = /^\/user\/memberships\/orgs\/([^/]+)$/.exec(url)?.[1]
    if (name === undefined) return [404, { message: 'Not Found' }]
    if (!github.scopes.includes('read:org'))
      return [403, { message: 'You need at least read:org scope to list your organizations' }]
    const membership = github.memberships[name]
    return membership ? [200, membership] : [404, { message: 'Not Found' }]
  }

  function redeem(body: string, response: ServerResponse): void {
    const form = new URLSearchParams(body)
    const code = form.get('code') ?? ''
    const request = grants.get(code)
    grants.delete(code)
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '')
    const isClient =
      form.get('client_id') === github.clientId && form.get('client_secret') === github.clientSecret
    // GitHub tells its faults with status 200.
    if (!isClient) return sendToken(response, { error: 'incorrect_client_credentials' })
    if (
      request?.get('code_challenge') !== challenge.digest('base64url') ||
      request.get('redirect_uri') !== form.get('redirect_uri')
    )
      return sendToken(response, { error: 'bad_verification_code' })
    const token = `gho_${randomBytes(16).toString('hex')}`
    bearers.add(token)
    github.canaries.push(token)
    const granted = { access_token: token, scope: github.scopes.join(','), token_type: 'bearer' }
    sendToken(response, github.tokens?.(granted) ?? granted)
  }

  function sendToken(response: ServerResponse, body: Json): void {
    if (!github.form) return send(response, 200, body)
    response
      .writeHead(200, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' })
      .end(new URLSearchParams(body as Record<string, string>).toString())
  }

  const github: GitHub = {
    origin,
    clientId: 'Iv1.client',
    clientSecret: 'github-client-secret',
    canaries: ['github-client-secret'],
    asked: [],
    answers: new Map(),
    user: {},
    emails: [],
    memberships: {},
    scopes: [],
    back: undefined,
    tokens: undefined,
    form: false,
    reset() {
      github.asked.length = 0
      github.answers.clear()
      github.user = { id: 583231, login: 'ada', name: 'Ada', email: 'ada@public.example' }
      github.emails = [
        { email: 'old@example.com', primary: false, verified: true, visibility: null },
        { email: 'ada@example.com', primary: true, verified: true, visibility: 'private' },
      ]
      github.memberships = { acme: { state: 'active', role: 'admin', organization } }
      github.scopes = ['read:org', 'user:email']
      github.back = undefined
      github.tokens = undefined
      github.form = false
    },
    here: (settings) =>
      JSON.parse(
        JSON.stringify(settings).replaceAll(/https:\/\/(?:api\.)?github\.com/g, origin),
      ) as Json,
    visit(redirect) {
      const request = redirect.searchParams
      const code = randomBytes(10).toString('hex')
      github.canaries.push(code)
      grants.set(code, request)
      const back = new URL(request.get('redirect_uri') ?? '')
      back.searchParams.set('code', code)
      back.searchParams.set('state', request.get('state') ?? '')
      back.searchParams.set('iss', `${origin}/login/oauth`)
      github.back?.(back)
      return back
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  github.reset()
  return github
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
    .end(JSON.stringify(body))
}
