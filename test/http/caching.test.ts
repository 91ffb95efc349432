import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createHttpServer, listen, stopServer } from '../../src/http/server.ts'
import { routes } from '../../src/routes.ts'
import { stylesheetPath } from '../../src/web/style.ts'
import { startTestApp } from '../_app.ts'
import { Browser } from '../_browser.ts'
import { freePort, run, whyMissing } from '../_proxy.ts'
import { nginx } from '../_proxy-programs.ts'
import { sendOverHttp } from '../_send.ts'
import { temporaryFolder } from '../_folder.ts'

/** A cache that keeps whatever it is not forbidden to, for everybody, by address alone. */
const keepsEverything = (port: number, behind: string) => `
daemon off;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  proxy_cache_path cache keys_zone=all:1m;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://${behind};
      proxy_cache all;
      proxy_cache_key $request_uri;
      proxy_cache_valid any 10m;
      proxy_cache_methods GET HEAD;
      proxy_ignore_headers Set-Cookie Vary;
      add_header x-cache $upstream_cache_status always;
    }
  }
}`

test(
  'REV-13 behind a cache that everybody shares, nobody gets what was meant for somebody else',
  { skip: whyMissing(nginx) },
  async (t) => {
    const folder = await temporaryFolder('cache')
    const port = await freePort()
    const origin = `http://localhost:${port}`
    const app = await startTestApp({ env: { SALLYPORT_URL: origin } })
    t.after(() => app.close())
    const server = createHttpServer(app.sallyport.fetch, {}, app.sallyport.quick)
    const behind = await listen(server, { host: '127.0.0.1', port: 0 })
    t.after(() => stopServer(server, 0))
    await writeFile(join(folder, 'nginx.conf'), keepsEverything(port, `127.0.0.1:${behind}`))
    const { args } = await nginx.command({
      folder,
      port,
      sallyport: '',
      application: '',
      secret: '',
    })
    await writeFile(join(folder, 'nginx.conf'), keepsEverything(port, `127.0.0.1:${behind}`))
    const cache = await run({ command: 'nginx', args, folder, port })
    t.after(() => cache.stop())

    const alice = new Browser(origin, sendOverHttp)
    const landed = await app.signIn(alice, 'alice')
    assert.equal(landed.headers.get('x-cache'), 'MISS')
    const stranger = new Browser(origin, sendOverHttp)
    for (const { method, path, csrf } of routes.filter(({ method }) => method === 'GET')) {
      assert.equal(csrf, 'none', `${method} ${path}`)
      const address = path
        .replace(':connection', app.connectionId)
        .replace(':org', 'acme')
        .replace(/:\w+/g, 'x')
      for (const ask of ['get', 'api'] as const) {
        const hers = await alice[ask](address)
        const theirs = await stranger[ask](address)
        if (hers.headers.get('cache-control')?.includes('no-store'))
          assert.equal(theirs.headers.get('x-cache'), 'MISS', address)
        assert.doesNotMatch(await theirs.text(), /alice/i, address)
        for (const line of theirs.headers.getSetCookie())
          assert.ok(![...alice.cookies.values()].some((value) => line.includes(value)), address)
        if (path !== '/login') stranger.cookies.clear()
      }
    }
    assert.equal(
      (await alice.get(stylesheetPath)).headers.get('x-cache'),
      'HIT',
      'the cache is at work',
    )
    assert.equal((await alice.api('/me')).status, 200)
  },
)
