import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { createWorld, destination, refuses } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world

/** Signs in with a return that was tampered with, and shows that nobody was asked anything because of it. */
async function refusesReturn(
  back: (url: URL) => void,
  code: ErrorCode,
  reason: string | RegExp,
): Promise<void> {
  hostile.twist({ back })
  await refuses(world, world.signIn(), code, reason)
  for (const endpoint of ['token', 'jwks', 'userinfo'] as const) {
    assert.equal(hostile.count(endpoint), 0)
  }
}

/** An error return: no code, and these parameters. */
function withError(parameters: Record<string, string>) {
  return (url: URL): void => {
    url.searchParams.delete('code')
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  }
}

const errorRows: readonly (readonly [error: string, code: ErrorCode])[] = [
  ['access_denied', 'sso_denied'],
  ['login_required', 'sso_denied'],
  ['interaction_required', 'sso_denied'],
  ['account_selection_required', 'sso_denied'],
  ['consent_required', 'sso_denied'],
  ['temporarily_unavailable', 'sso_unavailable'],
  ['server_error', 'sso_unavailable'],
  ['invalid_scope', 'sso_failed'],
  ['unheard_of', 'sso_failed'],
  ['constructor', 'sso_failed'],
  ['', 'sso_failed'],
]

for (const [error, code] of errorRows) {
  test(`OAC-02 the error “${error}” is ${code}`, async () => {
    await refusesReturn(withError({ error }), code, `provider_error: ${error}: `)
  })
}

test('OAC-02 the provider’s words are in the reason only, short and printable', async () => {
  const description = `<script>\r\n\u202E\u2066\u0000\u2028${'x'.repeat(100_000)}`
  const back = withError({ error: 'access_denied\r\n', error_description: description })
  await refusesReturn(back, 'sso_failed', /^provider_error: access_denied: <script>x{200,248}$/)
  await refusesReturn(
    withError({ error: 'e'.repeat(1000) }),
    'sso_failed',
    /^provider_error: e{64}: $/,
  )
})

for (const name of ['response', 'id_token', 'access_token', 'token', 'token_type', 'expires_in']) {
  test(`OAC-03 a return with “${name}” in the query is refused, with a code and without`, async () => {
    await refusesReturn(
      (url) => url.searchParams.set(name, 'e30.e30.e30'),
      'sso_failed',
      'oidc_response_mode',
    )
    const back = (url: URL): void => {
      url.searchParams.set(name, '')
      url.searchParams.delete('code')
    }
    await refusesReturn(back, 'sso_failed', 'oidc_response_mode')
  })
}

test('OAC-03 tokens in the fragment are not read', async () => {
  const back = (url: URL): void => {
    url.hash = `#code=${url.searchParams.get('code')}&id_token=e30.e30.e30`
    url.searchParams.delete('code')
  }
  await refusesReturn(back, 'sso_failed', 'oidc_code_missing')
})

for (const name of ['code', 'state', 'error', 'error_description', 'anything']) {
  test(`OAC-03 a return with “${name}” twice is refused`, async () => {
    const back = (url: URL): void => {
      url.searchParams.append(name, 'one')
      url.searchParams.append(name, 'one')
    }
    await refusesReturn(back, 'sso_failed', 'oidc_parameter_repeated')
  })
}

for (const name of ['code', 'state']) {
  test(`a return without ${name}, or with an empty one, is refused`, async () => {
    await refusesReturn((url) => url.searchParams.delete(name), 'sso_failed', 'oidc_code_missing')
    await refusesReturn((url) => url.searchParams.set(name, ''), 'sso_failed', 'oidc_code_missing')
  })
}

const wrongIssuers: readonly (readonly [name: string, iss: (issuer: string) => string])[] = [
  ['of another', () => 'https://evil.example'],
  ['with a slash behind', (issuer) => `${issuer}/`],
  ['in capitals', (issuer) => issuer.replace('http', 'HTTP')],
  ['empty', () => ''],
]

for (const [name, iss] of wrongIssuers) {
  test(`OAC-04 an issuer ${name} is refused, in errors too`, async () => {
    const wrong = iss(hostile.issuer)
    await refusesReturn(
      (url) => url.searchParams.set('iss', wrong),
      'sso_failed',
      'oidc_iss_mismatch',
    )
    const back = withError({ error: 'access_denied', iss: wrong })
    await refusesReturn(back, 'sso_failed', 'oidc_iss_mismatch')
  })

  test(`OAC-04 an issuer ${name} is refused when none is promised`, async () => {
    hostile.twist({
      discovery: (d) => ({ ...d, authorization_response_iss_parameter_supported: undefined }),
      back: (url) => url.searchParams.set('iss', iss(hostile.issuer)),
    })
    await refuses(world, world.signIn(), 'sso_failed', 'oidc_iss_mismatch')
    assert.equal(hostile.count('token'), 0)
  })
}

test('OAC-04 a promised issuer that is absent is refused, in errors too', async () => {
  await refusesReturn((url) => url.searchParams.delete('iss'), 'sso_failed', 'oidc_iss_mismatch')
  const back = (url: URL): void => {
    withError({ error: 'access_denied' })(url)
    url.searchParams.delete('iss')
  }
  await refusesReturn(back, 'sso_failed', 'oidc_iss_mismatch')
})

test('OAC-04 an issuer that comes twice is refused, even when both are right', async () => {
  await refusesReturn(
    (url) => url.searchParams.append('iss', hostile.issuer),
    'sso_failed',
    'oidc_parameter_repeated',
  )
})

test('OAC-04 an issuer that was never promised may be absent', async () => {
  hostile.twist({
    discovery: (d) => ({ ...d, authorization_response_iss_parameter_supported: false }),
    back: (url) => url.searchParams.delete('iss'),
  })
  assert.equal((await world.signIn()).subject, 'ada')
})

test('a return to another redirect URI than the one that was sent is refused', async () => {
  for (const other of ['/sso/c2/callback', '/sso/c1/callback/', '/']) {
    await refusesReturn((url) => (url.pathname = other), 'sso_failed', 'oidc_redirect_uri_mismatch')
  }
  await refusesReturn(
    (url) => (url.host = 'evil.example'),
    'sso_failed',
    'oidc_redirect_uri_mismatch',
  )
})

test('what the begin remembers holds no URL of the provider but its issuer', async () => {
  const { remember } = await world.connect().begin(destination)
  assert.deepEqual(Object.keys(remember).sort(), [
    'askedAt',
    'issPromised',
    'issuer',
    'maxAge',
    'nonce',
    'redirectUri',
    'verifier',
  ])
})
