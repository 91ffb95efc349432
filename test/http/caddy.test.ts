import { join } from 'node:path'
import { describeProxy } from '../_proxy.ts'

describeProxy({
  name: 'Caddy',
  install: 'apt-get install -y caddy',
  probe: ['caddy', 'version'],
  command: async ({ folder, port, sallyport, application, secret }) => ({
    command: 'caddy',
    args: [
      ...['run', '--adapter', 'caddyfile'],
      ...['--config', join(import.meta.dirname, '../../examples/caddy/Caddyfile')],
    ],
    env: {
      PORT: String(port),
      SALLYPORT: sallyport,
      APPLICATION: application,
      SALLYPORT_PROXY_SECRET: secret,
      XDG_DATA_HOME: folder,
      XDG_CONFIG_HOME: folder,
    },
  }),
})
