import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Places, ProxyProgram } from './_proxy.ts'

const examples = join(import.meta.dirname, '../examples')

/** nginx with the configuration that ships. */
export const nginx: ProxyProgram = {
  name: 'nginx',
  install: 'apt-get install -y nginx',
  probe: ['nginx', '-v'],
  command: async (places) => ({
    command: 'nginx',
    args: [
      '-p',
      places.folder,
      '-c',
      await configure(places),
      '-e',
      'stderr',
      // Without it a root's workers would be somebody else, who may not enter the test's folder.
      ...(process.getuid?.() === 0 ? ['-g', 'user root;'] : []),
    ],
  }),
}

/** nginx knows no environment: its files are copied with the test's addresses and secret. */
async function configure({
  folder,
  port,
  sallyport,
  application,
  secret,
}: Places): Promise<string> {
  const main = join(folder, 'nginx.conf')
  await writeFile(main, await readFile(join(examples, 'nginx/nginx.conf')))
  const site = (await readFile(join(examples, 'nginx/sallyport.conf'), 'utf8'))
    .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replace('127.0.0.1:3000', sallyport)
    .replace('127.0.0.1:4000', application)
    .replaceAll('change-me-to-what-sallyport-secret-prints', secret)
  await writeFile(join(folder, 'sallyport.conf'), site)
  return main
}

/** Caddy with the configuration that ships. */
export const caddy: ProxyProgram = {
  name: 'Caddy',
  install: 'apt-get install -y caddy',
  probe: ['caddy', 'version'],
  command: async ({ folder, port, sallyport, application, secret }) => ({
    command: 'caddy',
    args: ['run', '--adapter', 'caddyfile', '--config', join(examples, 'caddy/Caddyfile')],
    env: {
      PORT: String(port),
      SALLYPORT: sallyport,
      APPLICATION: application,
      SALLYPORT_PROXY_SECRET: secret,
      XDG_DATA_HOME: folder,
      XDG_CONFIG_HOME: folder,
    },
  }),
}
