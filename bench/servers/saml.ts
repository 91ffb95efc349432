import { createServer } from 'node:http'
import { inflateRawSync } from 'node:zlib'
import { listen } from '../../src/http/server.ts'
import {
  conditions,
  confirmation,
  encoded,
  nameId,
  said,
  settings,
  signedResponse,
  statement,
} from '../../test/providers/saml/_provider.ts'
import { work } from '../process.ts'

/**
 * A SAML identity provider that believes everything: it is asked with the address a browser was led to, who comes, and
 * where to, and says what that browser would post. Its certificate and our keys are in the settings it starts with.
 */
const server = createServer((request, response) => {
  const asked = new URL(request.url!, 'http://127.0.0.1').searchParams
  response.end(encoded(answer(asked.get('request')!, asked.get('sub')!, asked.get('base')!)))
})

function answer(request: string, sub: string, base: string): string {
  const [, requestId = ''] = /\bID="([^"]+)"/.exec(
    inflateRawSync(Buffer.from(request, 'base64')).toString(),
  )!
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
  const acs = `${base}/acs`
  const times = ` NotBefore="${at(-5)}" NotOnOrAfter="${at(300)}"`
  const confirmed = ` InResponseTo="${requestId}" Recipient="${acs}" NotOnOrAfter="${at(300)}"`
  return signedResponse(
    said(requestId, {
      nameId: nameId(sub),
      destination: acs,
      conditions: conditions([`${base}/metadata`], times),
      confirmation: confirmation(confirmed),
      statement: statement(` AuthnInstant="${at(-3)}" SessionIndex="${sub}"`),
      issuedAt: new Date(),
    }),
  )
}

const port = await listen(server, { host: '127.0.0.1', port: 0 })

work({ port, settings: settings() }, {}, () => server.closeAllConnections())
