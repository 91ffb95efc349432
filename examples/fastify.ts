// A Fastify application whose people are signed in by Sallyport.
// Run it with `node examples/fastify.ts`, and open http://localhost:3000.
import fastify from 'fastify'
import { startExample } from '../dev/development.ts'
// In your own project: from 'sallyport/fastify', and `createSallyport()` from 'sallyport' instead of `startExample()`.
import { pages, requireUser } from '../src/http/adapters/fastify.ts'

const { sallyport, config, announce } = await startExample()

const app = fastify()
await app.register(pages(sallyport))

app.get('/', { onRequest: requireUser(sallyport) }, async ({ who }) => `Hello, ${who?.user.name}`)

await app.listen({ port: config.port, host: config.host })
announce()
