import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeProxy } from '../_proxy.ts'
import { nginx } from '../_proxy-programs.ts'

describeProxy(nginx)

/** Every answer that Sallyport allows to be kept is kept, by address alone: which is none, or people would be mixed up. */
describeProxy({
  ...nginx,
  name: 'nginx with a cache before /verify',
  async command(places) {
    const started = await nginx.command(places)
    const file = join(places.folder, 'sallyport.conf')
    const site = await readFile(file, 'utf8')
    const cached = site.replace(
      'internal;',
      'internal; proxy_cache verify; proxy_cache_key $request_uri; proxy_cache_valid any 10m;',
    )
    await writeFile(file, `proxy_cache_path cache keys_zone=verify:1m;\n${cached}`)
    return started
  },
})
