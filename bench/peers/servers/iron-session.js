import { getIronSession } from 'iron-session'
import { createServer } from 'node:http'
import { work } from '../../process.ts'
import { cookiesOf, listening, versionOf } from './common.js'

// As its documentation has it: https://github.com/vvo/iron-session#readme
const options = { password: 'a password of at least thirty-two characters', cookieName: 'session' }

const server = createServer(async (request, response) => {
  const session = await getIronSession(request, response, options)
  if (request.url === '/sign-in') {
    session.userId = 'a person'
    await session.save()
  } else if (request.url === '/sign-out') session.destroy()
  else if (!session.userId) response.statusCode = 401
  if (response.statusCode === 200) response.statusCode = 204
  response.end()
})
const port = await listening(server)
const ask = (path, cookie = '') => fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie } })
const signIn = async () => cookiesOf(await ask('/sign-in'))

const jobs = {
  async open(count) {
    const cookies = []
    while (cookies.length < count) cookies.push(await signIn())
    return cookies
  },
  async stale(tries) {
    let stale = 0
    for (let i = 0; i < tries; i++) {
      const cookie = await signIn()
      await ask('/sign-out', cookie)
      stale += (await ask('/', cookie)).status === 204
    }
    return stale
  },
}

work({ port, version: versionOf('iron-session') }, jobs, () => server.closeAllConnections())
