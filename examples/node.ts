// A plain Node server whose people are signed in by Sallyport.
// Run it with `node examples/node.ts`, and open http://localhost:3000.
import { createServer } from 'node:http'
import { startExample } from '../dev/development.ts'
// In your own project: from 'sallyport/node', and `createSallyport()` from 'sallyport' instead of `startExample()`.
import { requireUser, toNodeListener } from '../src/http/adapters/node.ts'

const { sallyport, config, announce } = await startExample()

const listener = toNodeListener(sallyport, async (request, response) => {
  const who = await requireUser(sallyport, request, response)
  if (who) response.end(`Hello, ${who.user.name}`)
})

createServer(listener).listen(config.port, config.host, announce)
