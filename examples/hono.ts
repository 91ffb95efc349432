// A Hono application whose people are signed in by Sallyport.
// Run it with `node examples/hono.ts`, and open http://localhost:3000.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { startExample } from '../dev/development.ts'
// In your own project: from 'sallyport/hono', and `createSallyport()` from 'sallyport' instead of `startExample()`.
import { pages, requireUser } from '../src/http/adapters/hono.ts'

const { sallyport, config, announce } = await startExample()

const app = new Hono()
app.use(pages(sallyport))
app.get('/', requireUser(sallyport), (c) => c.text(`Hello, ${c.get('who').user.name}`))

serve({ fetch: app.fetch, port: config.port, hostname: config.host }, announce)
