// A shop whose visitors fill a cart before they sign in, and keep it whether they register or have an account already.
// Run it with `node examples/cart.ts`, open http://localhost:3000, and continue as a guest.
import { createServer } from 'node:http'
import { startExample } from '../dev/development.ts'
// In your own project: from 'sallyport/node', `createSallyport()` from 'sallyport', and a `pg.Pool` on DATABASE_URL.
import { queriesIn } from '../src/db/queries.ts'
import { toNodeListener } from '../src/http/adapters/node.ts'

const { sallyport, config, announce } = await startExample({
  env: { SALLYPORT_GUESTS: 'on' },
  guests: {
    describe: async (guest) => ((await count(guest)) ? `${await count(guest)} apples` : null),
    claim: (tx, guest, user) =>
      tx.query('update cart set owner = $2 where owner = $1', [guest, user]),
    purge: (tx, guests) => tx.query('delete from cart where owner = any($1::uuid[])', [guests]),
  },
})
const db = queriesIn(sallyport.services.db)
await db.query('create table if not exists cart (owner uuid not null)')

async function count(owner: string): Promise<number> {
  return (await db.query('select from cart where owner = $1', [owner])).length
}

const listener = toNodeListener(sallyport, async (request, response) => {
  const who = await sallyport.authenticate(request)
  const owner = who.user?.id ?? who.guest?.id
  if (!owner) return void response.writeHead(303, { location: '/login?return_to=/' }).end()
  if (request.method === 'POST') {
    await db.query('insert into cart values ($1)', [owner])
    return void response.writeHead(303, { location: '/' }).end()
  }
  const button = '<form method="post"><button>Add an apple</button></form>'
  const way = who.signedIn ? '<a href="/account">Account</a>' : '<a href="/login">Sign in</a>'
  response.setHeader('content-type', 'text/html')
  response.end(`<title>Cart</title><p>${await count(owner)} apples in your cart.${button}${way}`)
})

createServer(listener).listen(config.port, config.host, announce)
