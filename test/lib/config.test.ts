import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { Resolver } from 'node:dns/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { inspect } from 'node:util'
import { createSallyport } from '../../src/app.ts'
import { ConfigError, newSealingKey, readConfig, settings } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { createTestDatabase } from '../_database.ts'
import { temporaryFolder } from '../_folder.ts'

const key = newSealingKey()
const secret = 'S0me-Long-Random-Secret_of-43-characters-xyz'

/** The least that production takes. */
const production = { SALLYPORT_URL: 'https://app.example.com', SALLYPORT_KEYS: key }
const development = { NODE_ENV: 'development', SALLYPORT_KEYS: key }

/** What is wrong with an environment; nothing when it will do. */
function problemsOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.problems
  }
}

suite('production', () => {
  test('takes an address and a key, and the rest has defaults', () => {
    const config = readConfig(production)
    assert.equal(config.mode, 'production')
    assert.equal(config.url.href, 'https://app.example.com/')
    assert.equal(config.keys.length, 1)
    const { host, port, databaseUrl, databasePool, statementTimeoutMs, data } = config
    assert.deepEqual(
      { host, port, databaseUrl, databasePool, statementTimeoutMs, data },
      {
        host: '127.0.0.1',
        port: 3000,
        databaseUrl: undefined,
        databasePool: 10,
        statementTimeoutMs: 5000,
        data: '.sallyport',
      },
    )
    const { idleMinutes, absoluteMinutes, logLevel, proxies, proxySecret, egressAllow } = config
    assert.deepEqual(
      { idleMinutes, absoluteMinutes, logLevel, proxies, proxySecret, egressAllow },
      {
        idleMinutes: 60,
        absoluteMinutes: 720,
        logLevel: 'info',
        proxies: [],
        proxySecret: undefined,
        egressAllow: [],
      },
    )
  })

  test('BLD-01, S2-28 without anything it says all that is missing, at once, and makes no secret', async () => {
    const folder = join(await temporaryFolder('config'), 'data')
    assert.deepEqual(problemsOf({ SALLYPORT_DATA: folder }), [
      'SALLYPORT_URL is missing. Set it to the https address people see.',
      'SALLYPORT_KEYS is missing. Make a key with: sallyport key',
    ])
    assert.ok(!existsSync(folder))
  })

  test('CSR-09 origins that may read are named one by one, whole and over https', () => {
    const named = 'https://admin.example.com, https://B.example.com:8443'
    assert.deepEqual(readConfig({ ...production, SALLYPORT_CORS_ORIGINS: named }).corsOrigins, [
      'https://admin.example.com',
      'https://b.example.com:8443',
    ])
    for (const wrong of [
      '*',
      'null',
      'admin.example.com',
      'https://a.example/path',
      'http://a.example',
    ])
      assert.equal(problemsOf({ ...production, SALLYPORT_CORS_ORIGINS: wrong }).length, 1, wrong)
  })

  test('where metrics are sent is an address for UDP', () => {
    const url = readConfig({ ...production, STATSD_URL: 'udp://127.0.0.1:8125' }).statsd
    assert.equal(url?.port, '8125')
    for (const wrong of ['127.0.0.1:8125', 'http://127.0.0.1', 'udp://', 'udp://u:p@127.0.0.1'])
      assert.equal(problemsOf({ ...production, STATSD_URL: wrong }).length, 1, wrong)
  })

  test('S3-55 an empty variable, or one of blanks, is one that is not set', () => {
    assert.equal(readConfig({ ...production, PORT: '', HOST: ' ', LOG_LEVEL: '  ' }).port, 3000)
    assert.equal(problemsOf({ ...production, SALLYPORT_KEYS: ' ' }).length, 1)
  })

  test('CKI-08, S2-25 plain http is refused', () => {
    for (const url of ['http://app.example.com', 'http://localhost:3000', 'http://127.0.0.1']) {
      assert.deepEqual(problemsOf({ ...production, SALLYPORT_URL: url }), [
        'SALLYPORT_URL must begin with https:// in production.',
      ])
    }
  })

  test('SEC-03 SEC-10 BLD-01, AUT-09 what would make it unsafe is refused, every reason in one list', () => {
    const problems = problemsOf({
      ...production,
      SALLYPORT_URL: 'http://app.example.com',
      SALLYPORT_KEYS: `k:${Buffer.alloc(32).toString('base64')}`,
      SALLYPORT_PROXIES: '0.0.0.0/0',
      SALLYPORT_AUTOSESSION: 'on',
      SALLYPORT_TRUST_EMAIL: 'true',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_OPTIONS: '--enable-source-maps --insecure-http-parser --inspect=0.0.0.0:9229',
      NODE_DEBUG: 'http',
    })
    const expected = [
      /^SALLYPORT_KEYS holds a key that is not random/,
      /^SALLYPORT_PROXIES holds "0\.0\.0\.0\/0"/,
      /^SALLYPORT_URL must begin with https/,
      /^security\.autosession_refused: SALLYPORT_AUTOSESSION is on/,
      /^NODE_TLS_REJECT_UNAUTHORIZED=0 believes every certificate/,
      /^NODE_OPTIONS has --insecure-http-parser/,
      /^NODE_OPTIONS opens the debugger/,
      /^NODE_DEBUG prints/,
      /^SALLYPORT_TRUST_EMAIL is not a setting/,
    ]
    assert.equal(problems.length, expected.length, problems.join('\n'))
    for (const [i, pattern] of expected.entries()) assert.match(problems[i]!, pattern)
  })

  test('AUT-09 the same switches are the developer’s own affair outside production', () => {
    assert.deepEqual(
      problemsOf({ ...development, NODE_DEBUG: 'http', NODE_OPTIONS: '--inspect' }),
      [],
    )
    assert.deepEqual(problemsOf({ ...production, NODE_TLS_REJECT_UNAUTHORIZED: '1' }), [])
  })
})

suite('development', () => {
  test('S2-25 plain http is for loopback only', () => {
    for (const url of ['http://localhost:4000', 'http://127.0.0.1', 'http://[::1]:3000'])
      assert.deepEqual(problemsOf({ ...development, SALLYPORT_URL: url }), [])
    for (const url of ['http://app.example.com', 'http://192.168.0.2', 'http://localhost.example'])
      assert.deepEqual(problemsOf({ ...development, SALLYPORT_URL: url }), [
        'SALLYPORT_URL may be plain http only on loopback (localhost, 127.0.0.1).',
      ])
    assert.equal(readConfig({ ...development, PORT: '4000' }).url.href, 'http://localhost:4000/')
  })

  test('AUT-09 it listens on loopback only', () => {
    for (const host of ['0.0.0.0', '::', '192.168.0.2', 'app.example.com'])
      assert.deepEqual(problemsOf({ ...development, HOST: host }), [
        'HOST must be a loopback address outside production.',
      ])
    for (const host of ['127.0.0.1', '127.0.0.2', '::1', 'localhost'])
      assert.deepEqual(problemsOf({ ...development, HOST: host }), [])
    assert.deepEqual(problemsOf({ ...production, HOST: '0.0.0.0' }), [])
  })

  test('S2-28 it makes a key of its own, readable by its owner only, and keeps it', async () => {
    const folder = join(await temporaryFolder('config'), 'data')
    const env = { NODE_ENV: 'development', SALLYPORT_DATA: folder }
    const [first] = readConfig(env).keys
    const [second] = readConfig(env).keys
    assert.deepEqual(second!.key.reveal(), first!.key.reveal())
    assert.deepEqual(readdirSync(folder), ['keys'])
    assert.equal(statSync(join(folder, 'keys')).mode & 0o777, 0o600)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
  })

  test('a key that is given is used, and none is made', async () => {
    const folder = join(await temporaryFolder('config'), 'data')
    const config = readConfig({ ...development, SALLYPORT_DATA: folder })
    assert.equal(config.keys[0]!.id, key.split(':')[0])
    assert.ok(!existsSync(folder))
  })

  test('a damaged key file is told with its name and not with its content', async () => {
    const folder = await temporaryFolder('config')
    writeFileSync(join(folder, 'keys'), 'k:canary')
    const [problem] = problemsOf({ NODE_ENV: 'development', SALLYPORT_DATA: folder })
    assert.match(problem!, /keys must be id:base64 of 32 bytes/)
    assert.ok(problem!.includes(join(folder, 'keys')) && !problem!.includes('canary'))
  })

  test('a data folder that is a file, or closed, is told in a sentence', async () => {
    const folder = await temporaryFolder('config')
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const closed = join(folder, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o500)
    const unusable = process.getuid?.() === 0 ? [file] : [file, join(closed, 'data')]
    for (const data of unusable) {
      assert.throws(() => readConfig({ NODE_ENV: 'development', SALLYPORT_DATA: data }), {
        name: 'OperatorError',
        message: /^The folder .* cannot be used .* set SALLYPORT_DATA to another folder\.$/,
      })
    }
  })
})

suite('each setting', () => {
  /** Values that will not do, and what is said of them. */
  const wrong: readonly (readonly [variable: string, values: readonly string[], says: RegExp])[] = [
    [
      'NODE_ENV',
      ['staging', 'PRODUCTION'],
      /must be one of production, development, test; it is "/,
    ],
    ['LOG_LEVEL', ['verbose'], /must be one of fatal, .*; it is "verbose"/],
    [
      'PORT',
      ['0x50', '-1', '65536', '80.5', 'http', '1e3'],
      /must be a whole number from 0 to 65535/,
    ],
    ['DATABASE_POOL', ['0', '201'], /must be a whole number from 1 to 200/],
    ['DATABASE_STATEMENT_TIMEOUT_MS', ['99', '60001'], /must be a whole number from 100 to 60000/],
    ['SALLYPORT_SESSION_IDLE_MINUTES', ['4', '43201'], /must be a whole number from 5 to 43200/],
    ['SALLYPORT_SESSION_ABSOLUTE_MINUTES', ['9', '129601'], /must be a whole number from 10 to/],
    [
      'SALLYPORT_URL',
      [
        'app.example.com',
        'ftp://a.example',
        'https://a.example/app',
        'https://a.example?x',
        'https://',
      ],
      /must be an http\(s\) address without path, user or query, such as https:\/\/app/,
    ],
    [
      'DATABASE_URL',
      [
        'mysql://host/db',
        'localhost:5432',
        'postgres://user:a#b@host/db',
        'postgres://u:%zz@host/db',
      ],
      /must look like postgres:\/\/user:password@host:5432\/database/,
    ],
    [
      'SALLYPORT_KEYS',
      ['k', 'k:', 'k:c2hvcnQ=', `${key}:x`, `a b:${key.split(':')[1]}`, `${key},`, 'changeme'],
      /must be id:base64 of 32 bytes, comma separated\. Make one with: sallyport key/,
    ],
    [
      'SALLYPORT_KEYS',
      ['\0'.repeat(32), 'changeme'.repeat(4), 'correct horse battery staple :-) '.slice(0, 32)].map(
        (text) => `k:${Buffer.from(text).toString('base64')}`,
      ),
      /holds a key that is not random \(number 1\)/,
    ],
    ['SALLYPORT_KEYS', [`${key},${key}`], /names one key id twice/],
    [
      'SALLYPORT_PROXIES',
      ['proxy.example', '10.0.0.1/33', '10.0.0.256'],
      /which is no address or CIDR/,
    ],
    [
      'SALLYPORT_PROXIES',
      ['0.0.0.0/0', '0.0.0.0/1', '::/0', '10.0.0.1, ::/3'],
      /which is half the world/,
    ],
    ['SALLYPORT_PROXY_SECRET', ['short', 'x'.repeat(31)], /must have at least 32 characters/],
    ['SALLYPORT_PROXY_SECRET', ['x'.repeat(64), 'changeme'.repeat(5)], /is not random/],
  ]

  for (const [variable, values, says] of wrong) {
    test(`${variable}: ${values.length} values that ${says.source.slice(0, 40)}…`, () => {
      for (const value of values) {
        const [problem, ...others] = problemsOf({ ...production, [variable]: value })
        assert.match(problem ?? 'no problem', says, value)
        assert.ok(problem!.startsWith(`${variable} `))
        assert.deepEqual(others, [], 'one fault is told once')
      }
    })
  }

  test('a proxy needs a secret, and a secret a proxy', () => {
    assert.match(problemsOf({ ...production, SALLYPORT_PROXIES: '10.0.0.1' })[0]!, /SECRET must be/)
    assert.match(
      problemsOf({ ...production, SALLYPORT_PROXY_SECRET: secret })[0]!,
      /no proxy is believed/,
    )
    const both = { SALLYPORT_PROXIES: '10.0.0.1, fd00::/8,', SALLYPORT_PROXY_SECRET: secret }
    assert.deepEqual(
      readConfig({ ...production, ...both }).proxies.map(([network, bits]) => `${network}/${bits}`),
      ['10.0.0.1/32', 'fd00::/8'],
    )
  })

  test('a session cannot be idle for longer than it lasts', () => {
    const env = { ...production, SALLYPORT_SESSION_IDLE_MINUTES: '721' }
    assert.match(
      problemsOf(env)[0]!,
      /IDLE_MINUTES is longer than SALLYPORT_SESSION_ABSOLUTE_MINUTES/,
    )
    assert.deepEqual(problemsOf({ ...env, SALLYPORT_SESSION_ABSOLUTE_MINUTES: '721' }), [])
  })

  test('every one has a variable of its own and a meaning', () => {
    const rows = Object.values(settings)
    assert.equal(new Set(rows.map(({ env }) => env)).size, rows.length)
    for (const { env, meaning } of rows) assert.match(meaning, /^[^]{15,}$/, env)
  })

  test('S2-28 several keys are a ring: the first seals, all open', () => {
    const [old, fresh] = [newSealingKey(), newSealingKey().replace(/^\w+/, 'newest')]
    const { keys } = readConfig({ ...production, SALLYPORT_KEYS: `${fresh}, ${old}` })
    assert.deepEqual(
      keys.map(({ id }) => id),
      ['newest', old.split(':')[0]],
    )
  })
})

suite('a variable that nobody reads', () => {
  const meant = [
    ['SALLYPORT_ULR', 'SALLYPORT_URL'],
    ['SALLYPORT_KEY', 'SALLYPORT_KEYS'],
    ['SALLYPORT_PROXYS', 'SALLYPORT_PROXIES'],
    ['SALLYPORT_PORT', 'PORT'],
    ['SALLYPORT_DATABASE_URL', 'DATABASE_URL'],
    ['SALLYPORT_SESSION_IDLE_MINUTE', 'SALLYPORT_SESSION_IDLE_MINUTES'],
  ]

  test('is a problem, with what was probably meant', () => {
    for (const [written, name] of meant) {
      assert.deepEqual(problemsOf({ ...production, [written!]: 'x' }), [
        `${written} is not a setting; did you mean ${name}?`,
      ])
    }
    assert.deepEqual(problemsOf({ ...production, SALLYPORT_TRUST_EVERYBODY: '1' }), [
      'SALLYPORT_TRUST_EVERYBODY is not a setting; docs/configuration.md has them all.',
    ])
  })

  test('but not what Kubernetes sets beside a service called sallyport', () => {
    const links = {
      SALLYPORT_SERVICE_HOST: '10.0.0.11',
      SALLYPORT_SERVICE_PORT: '80',
      SALLYPORT_SERVICE_PORT_HTTP: '80',
      SALLYPORT_PORT: 'tcp://10.0.0.11:80',
      SALLYPORT_PORT_80_TCP: 'tcp://10.0.0.11:80',
      SALLYPORT_PORT_80_TCP_PROTO: 'tcp',
      SALLYPORT_PORT_80_TCP_PORT: '80',
      SALLYPORT_PORT_80_TCP_ADDR: '10.0.0.11',
    }
    assert.deepEqual(problemsOf({ ...production, ...links, SOMETHING_ELSE: 'x' }), [])
  })
})

suite('secrets', () => {
  test('no problem repeats one', () => {
    const canary = 'cAnArY-9f3b'
    const env = {
      SALLYPORT_URL: `https://user:${canary}@app.example.com`,
      DATABASE_URL: `postgres//user:${canary}@host/db`,
      SALLYPORT_KEYS: `k:${canary}`,
      SALLYPORT_PROXY_SECRET: canary,
      SALLYPORT_SECRET: canary,
      SALLYPORT_PORT: canary,
    }
    assert.equal(problemsOf(env).length, 6)
    assert.throws(
      () => readConfig(env),
      (error) => !inspect(error, { depth: 9, showHidden: true }).includes(canary),
    )
  })

  test('no configuration prints one', () => {
    const password = 'cAnArY-9f3b'
    const config = readConfig({
      ...production,
      DATABASE_URL: `postgres://user:${password}@host/db`,
      SALLYPORT_PROXIES: '10.0.0.1',
      SALLYPORT_PROXY_SECRET: secret,
    })
    const bytes = config.keys[0]!.key.reveal()
    const forbidden = [password, secret, key.split(':')[1]!, bytes.toString('hex')]
    for (const printed of [inspect(config, { depth: 9, showHidden: true }), JSON.stringify(config)])
      for (const value of forbidden) assert.ok(!printed.includes(value), printed)
    assert.equal(config.databaseUrl?.reveal(), `postgres://user:${password}@host/db`)
  })
})

suite('SALLYPORT_EGRESS_ALLOW', () => {
  const allowing = (value: string) => ({ ...production, SALLYPORT_EGRESS_ALLOW: value })

  test('takes private addresses and ranges', () => {
    const value = '10.1.2.3, 172.16.0.0/12,192.168.7.0/24, 100.64.0.0/10, fd12:3456::/32'
    assert.deepEqual(
      readConfig(allowing(value)).egressAllow.map((range) => range.join('/')),
      ['10.1.2.3/32', '172.16.0.0/12', '192.168.7.0/24', '100.64.0.0/10', 'fd12:3456::/32'],
    )
  })

  test('FET-02 everything, this machine and where clouds keep credentials are refused', () => {
    const refused = [
      '0.0.0.0/0 ::/0 10.0.0.0/7 172.16.0.0/11 192.168.0.0/15 172.0.0.0/8 0.0.0.0 8.8.8.8 2000::/8 127.0.0.1 127.0.0.0/8 ::1',
      'fe80::/10 169.254.169.254 169.254.0.0/16 100.100.100.200 fd00:ec2::254 fd20:ce::254',
      '::ffff:10.0.0.1 224.0.0.0/8 idp.corp.example 10.0.0.0/33 10.1.2.3,127.0.0.1',
    ].flatMap((line) => line.split(' '))
    for (const value of refused) {
      const [problem, ...others] = problemsOf(allowing(value))
      assert.match(problem ?? value, /^SALLYPORT_EGRESS_ALLOW holds/)
      assert.deepEqual(others, [])
    }
  })

  test('FET-02 lets a provider be at these addresses and no others, by name and over https', async (t) => {
    const addresses: Record<string, string[]> = {
      'idp.corp.example': ['10.1.2.3'],
      'both.corp.example': ['10.1.2.3', '10.1.2.4'],
      'other.corp.example': ['10.1.3.1'],
      'mixed.corp.example': ['10.1.2.3', '93.184.215.14'],
    }
    t.mock.method(Resolver.prototype, 'resolve4', async (host: string) => addresses[host] ?? [])
    t.mock.method(Resolver.prototype, 'resolve6', async () => [])
    const database = await createTestDatabase()
    t.after(() => database.drop())
    const start = async (allow: string) => {
      const sallyport = await createSallyport({
        config: readConfig(allowing(allow)),
        database: database.connection,
        log: createLog('silent'),
      })
      t.after(() => sallyport.close())
      return sallyport.services.egress
    }
    const allowed = await start('10.1.2.0/24')
    await allowed.check('https://idp.corp.example/')
    await allowed.check('https://both.corp.example:8443/token')
    const refused = [
      'http://idp.corp.example/',
      'https://10.1.2.3/',
      'https://other.corp.example/',
      'https://mixed.corp.example/',
    ]
    for (const url of refused)
      await assert.rejects(allowed.check(url), { reason: 'egress_blocked' }, url)
    const closed = await start('')
    await assert.rejects(closed.check('https://idp.corp.example/'), { reason: 'egress_blocked' })
  })
})
