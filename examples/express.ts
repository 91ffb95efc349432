// An Express application whose people are signed in by Sallyport.
// Run it with `node examples/express.ts`, and open http://localhost:3000.
import express from 'express'
import { startExample } from '../dev/development.ts'
// In your own project: from 'sallyport/express', and `createSallyport()` from 'sallyport' instead of `startExample()`.
import { pages, requireUser } from '../src/http/adapters/express.ts'

const { sallyport, config, announce } = await startExample()

const app = express()
app.use(pages(sallyport)) // before any body parser: Sallyport reads its own forms
app.use(express.urlencoded())

app.get('/', requireUser(sallyport), (request, response) => {
  response.type('text').send(`Hello, ${request.who?.user.name}`)
})

app.listen(config.port, config.host, announce)
