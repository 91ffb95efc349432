import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import { startDevelopmentProvider, type DevelopmentProvider } from '../dev/provider.ts'
import { commands, run } from '../src/cli.ts'
import { explain } from '../src/cli/explain.ts'
import { SchemaError } from '../src/db/migrate.ts'
import { newSealingKey, readConfig } from '../src/lib/config.ts'
import { AppError } from '../src/lib/errors.ts'
import { createBrowser } from './dev/_browser.ts'
import { cuttable } from './_cut.ts'
import { createTestDatabase } from './_database.ts'
import { freePortPair, startProgram } from './_program.ts'
import { idpMetadata } from './providers/saml/_metadata.ts'
import { walkThroughSignIn } from './_walk.ts'
import { temporaryFolder } from './_folder.ts'

/** What a command line did. */
interface Ran {
  readonly code: number
  readonly output: string
  readonly complaint: string
}

/** Runs a command line within this process. */
async function ran(
  t: TestContext,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  const printed = { output: '', complaint: '' }
  const log = t.mock.method(console, 'log', (text: string) => (printed.output += `${text}\n`))
  const error = t.mock.method(
    console,
    'error',
    (text: string) => (printed.complaint += `${text}\n`),
  )
  try {
    return { code: await run(args, env), ...printed }
  } finally {
    log.mock.restore()
    error.mock.restore()
  }
}

/** A fault told in plain words is a few lines and no stack. */
function assertPlain(complaint: string): void {
  assert.doesNotMatch(complaint, /^\s+at .*:\d+/m)
  assert.match(complaint, /\S/)
}

suite('help', () => {
  for (const args of [[], ['help'], ['--help'], ['-h']]) {
    test(`${['sallyport', ...args].join(' ')} lists every command`, async (t) => {
      const { code, output, complaint } = await ran(t, args)
      assert.deepEqual([code, complaint], [0, ''])
      for (const { usage, meaning } of Object.values(commands)) {
        assert.ok(output.includes(`sallyport ${usage}\n`))
        assert.ok(output.includes(meaning))
      }
    })
  }

  for (const [name, { usage, options }] of Object.entries(commands)) {
    test(`sallyport ${name} --help tells of that one, whatever else is said`, async (t) => {
      for (const args of [['--help'], ['-h'], ['--nonsense', '--help']]) {
        const { code, output, complaint } = await ran(t, [name, ...args])
        assert.deepEqual([code, complaint], [0, ''])
        assert.ok(output.startsWith(`Usage:\n  sallyport ${usage}\n`))
        assert.equal(output.match(/ sallyport /g)?.length, 1)
      }
      for (const option of Object.keys(options)) assert.ok(usage.includes(`--${option}`), option)
    })
  }
})

suite('wrong arguments: exit code 2', () => {
  const least = ['--org', 'acme', '--name', 'SSO', '--issuer', 'https://idp.example']
  const enough = [...least, '--client-id', 'c', '--secret-file', '/nowhere']
  const wrong: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['sevre'], /^There is no command "sevre"; did you mean serve\?\n\nUsage:\n/],
    [['reconfigure'], /^There is no command "reconfigure"\.\n\nUsage:\n/],
    [['toString'], /^There is no command "toString"/],
    [['serve', 'now'], /^"now" is one word too many\.\nUsage: sallyport serve/],
    [['serve', '--workers', 'many'], /^--workers takes a whole number from 1 to 64; it is "many"/],
    [['serve', '--workers=0'], /^--workers takes a whole number/],
    [['serve', '--port', '80'], /^There is no option --port\.\n/],
    [['serve', '-p'], /^There is no option -p\.$/m],
    [['key', '--constructor'], /^There is no option --constructor/],
    [['connect'], /^--org is missing\.\n--name is missing\.\nUsage: sallyport/],
    [['connect', ...least], /^--client-id is missing\.\n--secret-file is missing\.$/m],
    [
      ['connect', ...least.slice(0, 4), '--preset', 'oktta'],
      /^There is no preset "oktta"; did you mean okta\? Choose from google, entra, /,
    ],
    [
      ['connect', ...least, '--preset', 'okta'],
      /^Okta does not ask for --issuer\. It asks for --set domain=…, --client-id, --secret-file\.$/m,
    ],
    [
      ['connect', ...least.slice(0, 4), '--preset', 'entra', '--set', 'tenant=common'],
      /^--set tenant=…: Give the Directory.*\n--client-id is missing\.\n--secret-file is missing\.$/m,
    ],
    [
      ['connect', ...least.slice(0, 4), '--preset', 'entra', '--set', 'tenent=x', '--set', 'a=b'],
      /^Microsoft Entra ID does not ask for --set tenent=…, --set a=…\. It asks for --set tenant=…/,
    ],
    [['connect', ...least, '--set', 'tenant'], /^--set takes a name and a value/],
    [['connect', ...least, '--set', 'clientSecret=s'], /^Give the secret in a file: --secret-file/],
    [['connect', ...least, '--set', 'a=b', '--set', 'a=c'], /^--set a=… is given twice\./],
    [
      ['connect', ...least.slice(0, 4), '--preset', 'saml', '--set', 'metadata=@/nowhere'],
      /^--set metadata cannot be read: ENOENT/,
    ],
    [
      ['connect', ...least.slice(0, 4), '--preset', 'saml'],
      /^--set metadataUrl=…: Give the metadata’s address/,
    ],
    [
      ['connect', ...least, '--client-i', 'c'],
      /^There is no option --client-i; did you mean --client-id\?/,
    ],
    [['connect', '--org', '--name', 'SSO'], /^--org needs a value\./],
    [['connect', '--org', ' ', '--org='], /^--org needs a value\.\n--org needs a value\./],
    [['connect', ...least, '--secret-file'], /^--secret-file needs a value\./m],
    [['connect', ...least, '--everybody=yes'], /^--everybody takes no value\./],
    [['connect', ...least, '--register=yes'], /^--register takes no value\./],
    [['connect', ...least, '--org', 'other'], /^--org is given twice\./m],
    [['connect', ...least, '--', 'more'], /^"more" is one word too many\./],
    [['connect', ...enough], /^--secret-file cannot be read: ENOENT: .*'\/nowhere'/],
  ]

  for (const [args, says] of wrong) {
    test(`sallyport ${args.join(' ')}`, async (t) => {
      const { code, output, complaint } = await ran(t, args)
      assert.match(complaint, says)
      assert.deepEqual([code, output], [2, ''])
      assertPlain(complaint)
    })
  }

  test('a secret file that is empty, or a folder', async (t) => {
    const folder = await temporaryFolder('cli')
    const file = join(folder, 'secret')
    await writeFile(file, '\n')
    const empty = await ran(t, ['connect', ...enough.slice(0, -1), file])
    assert.deepEqual([empty.code, empty.complaint], [2, `--secret-file: ${file} is empty.\n`])
    const directory = await ran(t, ['connect', ...enough.slice(0, -1), folder])
    assert.equal(directory.code, 2)
    assert.match(directory.complaint, /^--secret-file cannot be read: EISDIR/)
  })
})

suite('key and secret', () => {
  test('S2-28 print what the settings take, another one each time', async (t) => {
    const printed = async (name: string) => (await ran(t, [name])).output.trim()
    const keys = [await printed('key'), await printed('key')]
    const secrets = [await printed('secret'), await printed('secret')]
    assert.notEqual(keys[0], keys[1])
    assert.notEqual(secrets[0], secrets[1])
    const config = readConfig({
      SALLYPORT_URL: 'https://app.example.com',
      SALLYPORT_KEYS: keys[0]!,
      SALLYPORT_PROXIES: '10.0.0.1',
      SALLYPORT_PROXY_SECRET: secrets[0]!,
    })
    assert.equal(config.keys.length, 1)
    assert.equal(config.proxySecret?.reveal(), secrets[0])
  })
})

suite('faults in words', () => {
  const faults: readonly (readonly [error: unknown, says: RegExp])[] = [
    [errorWith({ code: 'EADDRINUSE', syscall: 'listen' }), /stop it, or set PORT\.$/],
    [
      errorWith({ code: 'EACCES', syscall: 'listen' }),
      /^Sallyport cannot listen: .* HOST and PORT/,
    ],
    [errorWith({ code: 'EADDRNOTAVAIL', syscall: 'listen' }), /^Sallyport cannot listen/],
    [errorWith({ code: 'ECONNREFUSED' }), /^The database does not answer \(what happened\)/],
    [errorWith({ code: 'ENOTFOUND', syscall: 'getaddrinfo' }), /^The database does not answer/],
    [new Error('timeout expired'), /^The database does not answer \(timeout expired\)/],
    [errorWith({ code: '57P03' }), /^The database does not answer/],
    [
      errorWith({ code: '28P01' }),
      /^The database refuses: what happened\. Is DATABASE_URL right\?$/,
    ],
    [errorWith({ code: '3D000' }), /^The database refuses/],
    [new SchemaError('Start that version.'), /^Start that version\.$/],
    [
      Object.assign(
        new AggregateError([new Error('connect ::1'), new Error('connect 127.0.0.1')]),
        {
          code: 'ECONNREFUSED',
        },
      ),
      /^The database does not answer \(connect ::1; connect 127\.0\.0\.1\)/,
    ],
    [
      new AppError('config_rejected', {
        reason: 'discovery: egress_blocked',
        cause: new Error('an address not public'),
        members: { problems: ['issuer: wrong', 'name: wrong'] },
      }),
      /^These settings cannot be used:\n {2}- issuer: wrong\n {2}- name: wrong\nBecause: an address not public$/,
    ],
  ]

  test('are sentences where the operator can mend them', () => {
    for (const [error, says] of faults) {
      assert.match(explain(error), says)
      assertPlain(explain(error))
    }
  })

  test('that are ours keep their stack', () => {
    assert.match(explain(new TypeError('x is not a function')), /x is not a function\n +at /)
    assert.equal(explain('thrown text'), 'thrown text')
  })
})

suite('with a database', () => {
  let provider: DevelopmentProvider
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let line: Awaited<ReturnType<typeof cuttable>>
  let databaseUrl: string
  const key = newSealingKey()

  before(async () => {
    provider = await startDevelopmentProvider({ redirectUris: [] })
    database = await createTestDatabase()
    line = await cuttable(database.connection)
    const { user, port, database: name } = line.connection
    databaseUrl = `postgres://${user}@127.0.0.1:${port}/${name}`
  })
  after(async () => {
    await provider.close()
    await line.close()
    await database.drop()
  })

  /** What production needs to start. */
  const production = () => ({
    SALLYPORT_URL: 'https://app.example.com',
    SALLYPORT_KEYS: key,
    DATABASE_URL: databaseUrl,
  })

  async function connectArguments(
    t: TestContext,
    more: Record<string, string> = {},
  ): Promise<string[]> {
    const file = join(await temporaryFolder('cli'), 'secret')
    await writeFile(file, `${provider.clientSecret}\n`)
    const options = {
      org: 'acme',
      name: 'Acme SSO',
      issuer: provider.issuer,
      'client-id': provider.clientId,
      'secret-file': file,
      ...more,
    }
    return ['connect', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])]
  }

  const storedConnections = async () =>
    database.db
      .selectFrom('connections')
      .innerJoin('organizations', 'organizations.id', 'organization_id')
      .select(['connections.name', 'slug', 'organizations.name as organization', 'provisioning'])
      .orderBy('connections.created_at')
      .execute()

  test('connect, then serve, then a person signs in through the provider', async (t) => {
    const port = await freePortPair()
    const origin = `http://localhost:${port}`
    const env = {
      NODE_ENV: 'development',
      PORT: String(port),
      SALLYPORT_KEYS: key,
      DATABASE_URL: databaseUrl,
    }
    const args = await connectArguments(t, { 'org-name': 'Acme Inc' })
    const connected = await ran(t, [...args, '--everybody'], env)
    assert.deepEqual([connected.code, connected.complaint], [0, ''])
    assert.ok(connected.output.startsWith(`Connected Acme Inc (${origin}/login/acme).`))
    const redirectUri = /https?:\S+\/callback$/m.exec(connected.output)?.[0]
    assert.ok(redirectUri?.startsWith(`${origin}/sso/`))
    provider.addRedirectUri(redirectUri!)

    const server = startProgram(t, ['bin/sallyport.js', 'serve'], env)
    await server.says('Sallyport is ready')
    const browser = createBrowser()
    const account = await walkThroughSignIn(browser, origin, 'alice')
    assert.equal(account.status, 200)
    const me = await (await browser.get(`${origin}/me`)).json()
    assert.match((me as { user: { name: string } }).user.name, /^Alice/)
    assert.equal(await server.stop(), 0)
    for (const secret of [provider.clientSecret, key.split(':')[1]!])
      assert.ok(!server.output().includes(secret))
  })

  test('a second connection goes to the same organization, and another name does not get in', async (t) => {
    const env = { ...production(), NODE_ENV: 'test' }
    const second = await ran(t, await connectArguments(t, { name: 'Second' }), env)
    assert.equal(second.code, 0, second.complaint)
    const same = await connectArguments(t, { name: 'Third', 'org-name': 'Acme Inc' })
    assert.equal((await ran(t, same, env)).code, 0)

    const other = await connectArguments(t, { name: 'Fourth', 'org-name': 'Another Acme' })
    const refused = await ran(t, other, env)
    assert.equal(refused.code, 2)
    assert.equal(
      refused.complaint,
      'There is already an organization "acme", and its name is "Acme Inc". Leave --org-name out to connect that one, or choose another --org.\n',
    )
    const stored = await storedConnections()
    assert.deepEqual(
      stored.map(({ name, organization, provisioning }) => [name, organization, provisioning]),
      [
        ['Acme SSO', 'Acme Inc', 'everybody'],
        ['Second', 'Acme Inc', 'off'],
        ['Third', 'Acme Inc', 'off'],
      ],
    )
  })

  test('what cannot be connected is told with the reason, and nothing is stored', async (t) => {
    const env = { ...production(), NODE_ENV: 'test' }
    const before = await storedConnections()
    const silent = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    silent.close()
    const cases: readonly [more: Record<string, string>, says: RegExp][] = [
      [{ issuer: 'https://a.example/?b' }, /- issuer: Give the issuer’s URL/],
      [
        { issuer: `${provider.issuer}/` },
        /- issuer: Its discovery document[^]*Because: .*issuer differs/,
      ],
      [
        { issuer: `${provider.issuer}/nowhere` },
        /- issuer: Its discovery[^]*Because: discovery: status 404/,
      ],
      [{ issuer: `http://127.0.0.1:${port}` }, /Because: discovery: egress_failed.*ECONNREFUSED/],
      [{ issuer: 'http://10.0.0.1' }, /Because: discovery: egress_blocked/],
      [{ org: 'Not A Slug' }, /- "Not A Slug" is no slug: use a-z, 0-9 and dashes/],
    ]
    for (const [more, says] of cases) {
      const { code, output, complaint } = await ran(t, await connectArguments(t, more), env)
      assert.match(complaint, says)
      assert.deepEqual([code, output], [1, ''])
      assertPlain(complaint)
      assert.ok(!complaint.includes(provider.clientSecret))
    }
    assert.deepEqual(await storedConnections(), before)
  })

  test('a preset is connected by what it asks for, and says what to register', async (t) => {
    const env = { ...production(), NODE_ENV: 'test' }
    const [command, ...args] = await connectArguments(t, { name: 'By preset', preset: 'oidc' })
    const auth = ['--set', 'clientAuth=client_secret_post']
    const { code, output, complaint } = await ran(t, [command!, ...args, ...auth], env)
    assert.deepEqual([code, complaint], [0, ''])
    assert.match(output, /Register this at the provider:\n {2}Redirect URI: https:\S+\/callback$/m)
    const stored = await storedConnections()
    assert.equal(stored.at(-1)?.name, 'By preset')
  })

  test('a SAML provider is connected by its metadata, with a key of its own', async (t) => {
    const env = { ...production(), NODE_ENV: 'test' }
    const file = join(await temporaryFolder('cli'), 'metadata.xml')
    await writeFile(file, idpMetadata())
    const args = ['connect', '--org', 'acme', '--name', 'SAML', '--preset', 'entra-saml']
    const { code, output, complaint } = await ran(t, [...args, '--set', `metadata=@${file}`], env)
    assert.deepEqual([code, complaint], [0, ''])
    assert.match(output, /Identifier \(Entity ID\): https:\S+\/metadata$/m)
    assert.match(output, /Reply URL \(Assertion Consumer Service URL\): https:\S+\/acs$/m)
    const [stored] = await database.db
      .selectFrom('connections')
      .select(['kind', 'state'])
      .where('name', '=', 'SAML')
      .execute()
    assert.deepEqual(stored, { kind: 'saml', state: 'active' })

    await writeFile(file, '<html/>')
    const other = await ran(t, [...args, '--set', `metadata=@${file}`], env)
    assert.deepEqual([other.code, other.output], [1, ''])
    assert.match(other.complaint, /- metadata: /)
  })

  test('FET-02 in production a provider on loopback or over plain http is not connected', async (t) => {
    const { code, complaint } = await ran(t, await connectArguments(t), production())
    assert.equal(code, 1)
    assert.match(complaint, /Because: discovery: egress_blocked.*a scheme that is not https/)
  })

  test(
    'serve in production says one line, answers, and stops at SIGTERM',
    { timeout: 60_000 },
    async (t) => {
      const port = await freePortPair()
      const program = startProgram(t, ['bin/sallyport.js', 'serve'], {
        ...production(),
        PORT: String(port),
      })
      await program.says('Sallyport is ready')
      const lines = program.output().trim().split('\n')
      assert.equal(lines.length, 1)
      const { msg, level, host, port: told, url } = JSON.parse(lines[0]!)
      assert.deepEqual(
        [msg, level, host, told, url],
        ['Sallyport is ready', 30, '127.0.0.1', port, 'https://app.example.com'],
      )
      assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
      const asked = performance.now()
      assert.equal(await program.stop('SIGTERM'), 0)
      assert.ok(performance.now() - asked < 10_000, 'it stops within ten seconds')
      assert.ok(!program.output().includes('"level":50') && program.complaint() === '')
    },
  )

  test('serve on a port that is taken says so and ends', async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    t.after(() => other.close())
    const { port } = other.address() as { port: number }
    const { code, complaint } = await ran(t, ['serve'], { ...production(), PORT: String(port) })
    assert.equal(code, 1)
    assert.equal(
      complaint,
      `listen EADDRINUSE: address already in use 127.0.0.1:${port}. Something else listens there: stop it, or set PORT.\n`,
    )
  })

  test('serve at an address that is not this machine’s says so and ends', async (t) => {
    const { code, complaint } = await ran(t, ['serve'], { ...production(), HOST: '192.0.2.1' })
    assert.equal(code, 1)
    assert.match(complaint, /^Sallyport cannot listen: .*EADDRNOTAVAIL.* Set HOST and PORT/)
  })

  test('serve with the database away, or one that is not there, says so and ends', async (t) => {
    const nowhere = { ...production(), DATABASE_URL: 'postgres://u:cAnArY-9f3b@127.0.0.1:1/db' }
    const away = await ran(t, ['serve'], nowhere)
    assert.equal(away.code, 1)
    assert.match(
      away.complaint,
      /^The database does not answer \(connect ECONNREFUSED 127\.0\.0\.1:1\)/,
    )
    const missing = { ...production(), DATABASE_URL: databaseUrl.replace(/\w+$/, 'nothing_here') }
    const refused = await ran(t, ['serve'], missing)
    assert.equal(refused.code, 1)
    assert.match(refused.complaint, /^The database refuses: database "nothing_here" does not exist/)
    for (const { complaint } of [away, refused]) {
      assertPlain(complaint)
      assert.ok(!complaint.includes('cAnArY'))
    }
  })
})

test('BLD-01 the program refuses to start without settings, on standard error, with exit code 1', async (t) => {
  const program = startProgram(t, ['bin/sallyport.js', 'serve'])
  assert.equal(await program.ended, 1)
  assert.equal(program.output(), program.complaint())
  assert.equal(
    program.complaint(),
    [
      'Sallyport cannot start with these settings:',
      '  - SALLYPORT_URL is missing. Set it to the https address people see.',
      '  - SALLYPORT_KEYS is missing. Make a key with: sallyport key',
      '',
    ].join('\n'),
  )
})

function errorWith(fields: Record<string, unknown>): Error {
  return Object.assign(new Error('what happened'), fields)
}
