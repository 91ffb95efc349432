// What stands behind a proxy: a Sallyport, and an application in any language that reads one header.
// Run a proxy with the configuration beside it; see README.md.
import { createServer } from 'node:http'
import { startExample } from '../dev/development.ts'
import { createHttpServer } from '../src/http/server.ts'

const { sallyport, config, announce } = await startExample({
  env: {
    SALLYPORT_URL: process.env['SALLYPORT_URL'] ?? 'http://localhost:8080',
    SALLYPORT_PROXIES: '127.0.0.1',
    SALLYPORT_PROXY_SECRET:
      process.env['SALLYPORT_PROXY_SECRET'] ?? 'change-me-to-what-sallyport-secret-prints',
  },
})

createServer((request, response) => {
  response.end(`Hello, ${request.headers['x-auth-name']}`)
}).listen(Number(process.env['APPLICATION_PORT'] ?? 4000), '127.0.0.1')

createHttpServer(sallyport.fetch).listen(config.port, config.host, announce)
