import { request as ask } from 'node:http'

/** Sends a request over a connection, with exactly the headers it has: `fetch` would add its own `Sec-Fetch-Mode`. */
export async function sendOverHttp(request: Request): Promise<Response> {
  const body = request.body ? Buffer.from(await request.arrayBuffer()) : undefined
  const headers: Record<string, string> = Object.fromEntries(request.headers)
  if (body) headers['content-length'] = String(body.length)
  return new Promise((resolve, reject) => {
    const options = { method: request.method, headers, agent: false as const }
    const sent = ask(request.url, options, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
      incoming.on('end', () => {
        const { statusCode: status = 0, rawHeaders } = incoming
        const answered = new Headers()
        for (let i = 0; i < rawHeaders.length; i += 2)
          answered.append(rawHeaders[i]!, rawHeaders[i + 1]!)
        const empty = [101, 204, 205, 304].includes(status)
        resolve(new Response(empty ? null : Buffer.concat(chunks), { status, headers: answered }))
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
