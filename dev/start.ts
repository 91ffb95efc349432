import { explain } from '../src/cli/explain.ts'
import { serveUntilStopped } from '../src/cli/serve.ts'
import { startDevelopment } from './development.ts'
import { homeRoute } from './home.ts'

try {
  await start()
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}

async function start(): Promise<void> {
  const development = await startDevelopment({
    routes: (provider, buttons) => [homeRoute(provider, { buttons })],
  })
  try {
    await serveUntilStopped(development.sallyport, development.config, development.announce)
  } finally {
    await development.close()
  }
}
