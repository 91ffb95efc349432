import { explain } from '../src/cli/explain.ts'
import { serveUntilStopped } from '../src/cli/serve.ts'
import { startDevelopment } from './development.ts'
import { homeRoute } from './home.ts'
import { createMailbox, mailboxRoutes } from './mailbox.ts'

try {
  await start()
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}

async function start(): Promise<void> {
  const mailbox = createMailbox()
  const development = await startDevelopment({
    dummy: true,
    // A mail server of one's own gets the mail instead.
    ...(process.env['SMTP_URL'] ? {} : { mailer: mailbox }),
    routes: (provider, buttons) => [homeRoute(provider, { buttons }), ...mailboxRoutes(mailbox)],
  })
  try {
    await serveUntilStopped(development.sallyport, development.config, development.announce)
  } finally {
    await development.close()
  }
}
