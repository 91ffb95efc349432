import { connect, type Socket } from 'node:net'

/** What came back over a connection on which bytes were sent as they are. */
export interface RawAnswer {
  /** The first status; NaN when the connection was closed without an answer. */
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** Everything, for connections that got several answers. */
  readonly text: string
}

/** Sends bytes to a port of loopback and reads until the other side closes. */
export async function sendRaw(
  port: number,
  ...parts: readonly (string | Buffer)[]
): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1')
  for (const part of parts) if (socket.writable) socket.write(part)
  return readAnswer(socket)
}

/** Reads until the other side closes. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  const text = Buffer.concat(chunks).toString('latin1')
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = new Headers(
    lines.map((line) => line.split(/: ?(.*)/s).slice(0, 2) as [string, string]),
  )
  return { status: Number(statusLine.split(' ')[1] ?? NaN), headers, body, text }
}
