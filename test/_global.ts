import { startTestServer } from './_database.ts'

let server: { stop(): Promise<void> }

export async function globalSetup(): Promise<void> {
  server = await startTestServer()
}

export async function globalTeardown(): Promise<void> {
  await server.stop()
}
