import { createServer } from 'node:http'
import { work } from '../../process.ts'
import { listening, versionOf } from './common.js'

// As its documentation has it: https://github.com/panva/node-oidc-provider/blob/main/docs/README.md
const server = createServer()
const port = await listening(server)
const issuer = `http://127.0.0.1:${port}`
const { default: Provider } = await import('oidc-provider')
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'service',
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
  },
  ttl: { ClientCredentials: 3600 },
})
server.on('request', provider.callback())

const authorization = `Basic ${Buffer.from('service:secret').toString('base64')}`
const type = 'application/x-www-form-urlencoded'

const jobs = {
  /** Requests to introspect one token each. */
  async open(count) {
    const requests = []
    while (requests.length < count) {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body: 'grant_type=client_credentials',
      })
      const { access_token: token } = await response.json()
      const body = `token=${token}`
      requests.push(
        `POST /token/introspection HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: ${authorization}\r\n` +
          `content-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )
    }
    return requests
  },
}

work({ port, version: versionOf('oidc-provider') }, jobs, () => server.closeAllConnections())
