import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { listen } from '../../src/http/server.ts'
import { selfSigned } from '../../test/_certificate.ts'
import { freePort } from '../start.ts'
import { findDebian } from './debian.ts'
import { untilListening } from './redis.ts'

/** Apache with mod_auth_openidc before a file, asking an introspection endpoint of ours about bearer tokens. */
export interface Apache extends AsyncDisposable {
  readonly port: number
  readonly version: string
  /** A token that the endpoint vouches for, for so many seconds. */
  issue(seconds: number): string
  /** From now on the endpoint says that the token is not active. */
  revoke(token: string): void
}

const modules = {
  mpm_event: 'mod_mpm_event',
  authn_core: 'mod_authn_core',
  authz_core: 'mod_authz_core',
  authz_user: 'mod_authz_user',
  auth_openidc: 'mod_auth_openidc',
}

/**
 * Starts Debian's Apache with its module.
 * @throws NotHere when there is none
 */
export async function startApache(folder: string): Promise<Apache> {
  const packages = ['apache2-bin', 'libapache2-mod-auth-openidc']
  const module = 'usr/lib/apache2/modules/mod_auth_openidc.so'
  const { root, env, version } = await findDebian(module, packages, folder)
  const program = join(root, 'usr/sbin/apache2')
  const home = await mkdtemp(join(tmpdir(), 'sallyport-apache-'))
  // Its workers are not root, and have to read what is here.
  await chmod(home, 0o755)
  const endpoint = await startEndpoint()
  const port = await freePort()
  await writeFile(join(home, 'index.txt'), 'ok')
  await writeFile(
    join(home, 'apache.conf'),
    configuration({ root, home, port, introspection: endpoint.port }),
  )
  const child = spawn(program, ['-d', home, '-f', join(home, 'apache.conf'), '-D', 'FOREGROUND'], {
    env,
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  const stop = () => child.kill('SIGTERM')
  process.once('exit', stop)
  const log = () => readFile(join(home, 'error.log'), 'utf8').catch(() => '')
  await Promise.race([
    untilListening(port),
    ended.then(async () => Promise.reject(new Error(`Apache ended: ${await log()}`))),
  ])
  return {
    port,
    version: `${await version('libapache2-mod-auth-openidc')} in Apache ${await version('apache2-bin')}`,
    issue: endpoint.issue,
    revoke: endpoint.revoke,
    async [Symbol.asyncDispose]() {
      process.off('exit', stop)
      stop()
      await ended
      endpoint.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** As the module's own example file has it: /etc/apache2/mods-available/auth_openidc.conf. */
function configuration(at: { root: string; home: string; port: number; introspection: number }) {
  const load = Object.entries(modules).map(
    ([name, file]) => `LoadModule ${name}_module ${at.root}/usr/lib/apache2/modules/${file}.so`,
  )
  return `ServerName localhost
Listen 127.0.0.1:${at.port}
PidFile ${at.home}/apache.pid
ErrorLog ${at.home}/error.log
User nobody
Group nogroup
KeepAlive On
MaxKeepAliveRequests 0
${load.join('\n')}
OIDCCryptoPassphrase ${randomBytes(16).toString('hex')}
OIDCCacheType shm
OIDCOAuthClientID service
OIDCOAuthClientSecret secret
OIDCOAuthIntrospectionEndpoint https://127.0.0.1:${at.introspection}/introspect
OIDCOAuthSSLValidateServer Off
OIDCOAuthRemoteUserClaim sub
DocumentRoot ${at.home}
<Location "/">
  AuthType oauth20
  Require valid-user
</Location>
`
}

/** Introspection as RFC 7662 has it, of tokens that it makes itself. */
async function startEndpoint() {
  const until = new Map<string, number>()
  const server = createServer(selfSigned('localhost'), async (request, response) => {
    const token = new URLSearchParams(await text(request)).get('token') ?? ''
    const exp = until.get(token)
    const found = exp === undefined ? { active: false } : { active: true, sub: 'a person', exp }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(found))
  })
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  return {
    port,
    issue(seconds: number) {
      const token = randomBytes(24).toString('base64url')
      until.set(token, Math.floor(Date.now() / 1000) + seconds)
      return token
    },
    revoke: (token: string) => void until.delete(token),
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
