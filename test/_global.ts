import { startTestServer, type TestServer } from './_database.ts'

let server: TestServer

export async function globalSetup(): Promise<void> {
  server = await startTestServer()
}

/** Nothing secret that any test has seen is in anything that was logged or audited: SEED-77, SEC-06. */
export async function globalTeardown(): Promise<void> {
  const leaks = server.findLeaks()
  await server.stop()
  if (leaks.length === 0) return
  console.error(`${leaks.length} printed lines hold a secret:`)
  for (const line of leaks.slice(0, 20)) console.error(`  ${line.slice(0, 400)}`)
  // A throw here would have the runner take everything down again and again, without end.
  process.exitCode = 1
}
