import type { Connection } from '../accounts/connections.ts'
import type { Endpoint } from '../http/exchange.ts'
import { policyLeavingTo } from '../http/headers.ts'
import { AppError } from '../lib/errors.ts'
import { asset } from './asset.ts'
import { hiddenFields, html, page } from './page.ts'

/** Presses the page's one button. */
const script = `document.forms[0].submit()\n`

const file = asset('leave.js', 'text/javascript; charset=utf-8', script)

/** Where the script is. */
export const leaveScriptPath: string = file.path

/** `GET /assets/leave-….js`: sends the form of the page on the way out. */
export const leaveScript: Endpoint = file.endpoint

/** The page on the way out to a provider that wants a form. Without the script the person presses the button. */
export function leaveByForm(
  { organization }: Connection,
  to: URL,
  fields: Readonly<Record<string, string>>,
): Promise<Response> {
  if (!['https:', 'http:'].includes(to.protocol))
    throw new AppError('sso_failed', { reason: 'redirect_scheme' })
  return page(
    {
      title: `To ${organization.name}`,
      script: leaveScriptPath,
      headers: { 'content-security-policy': policyLeavingTo(to) },
    },
    html`<h1>Taking you to <bdi>${organization.name}</bdi></h1>
      <p>You sign in at <strong>${to.host}</strong> and come back here.</p>
      <form method="post" action="${to.href}">
        ${hiddenFields(fields)}
        <button class="primary">Continue</button>
      </form>
      <p class="quiet">If nothing happens, press Continue.</p>`,
  )
}
