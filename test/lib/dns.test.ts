import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test, type TestContext } from 'node:test'
import { createResolver } from '../../src/lib/dns.ts'

/** What a name server answers to every question: records of TXT in their pieces, a code of failure, or nothing at all. */
type Answer = readonly (readonly string[])[] | { readonly code: number } | 'silence'

/** A name server of one answer (RFC 1035 §4); its address. */
async function serve(t: TestContext, answer: Answer): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    if (answer !== 'silence') socket.send(reply(query, answer), port, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.after(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

function reply(query: Buffer, answer: Exclude<Answer, 'silence'>): Buffer {
  const question = query.subarray(12, query.indexOf(0, 12) + 5)
  const records = 'code' in answer ? [] : answer
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8180 | ('code' in answer ? answer.code : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, question, ...records.map(toRecord)])
}

function toRecord(pieces: readonly string[]): Buffer {
  const data = Buffer.concat(
    pieces.map((piece) => Buffer.from(`${String.fromCharCode(piece.length)}${piece}`, 'latin1')),
  )
  const head = Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

const name = '_sallyport-challenge.acme.example'
const ask = (server: string, deadlineMs = 5000) =>
  createResolver({ servers: [server], deadlineMs }).txt(name)

test('TXT records come in their pieces', async (t) => {
  const records = [['v=spf1 -all'], ['sallyport-domain=', 'abc']]
  assert.deepEqual(await ask(await serve(t, records)), records)
})

test('ORG-08 a name without records is told from name servers that do not answer', async (t) => {
  assert.equal(await ask(await serve(t, [])), 'none', 'no such record')
  assert.equal(await ask(await serve(t, { code: 3 })), 'none', 'no such name')
  assert.equal(await ask(await serve(t, { code: 2 })), 'unavailable', 'the server failed')
  assert.equal(await ask(await serve(t, { code: 5 })), 'unavailable', 'the server refuses')
})

test('a silent name server is waited for no longer than the deadline', async (t) => {
  const began = performance.now()
  assert.equal(await ask(await serve(t, 'silence'), 400), 'unavailable')
  assert.ok(performance.now() - began < 2000)
})
