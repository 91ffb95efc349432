import type { Connection } from '../accounts/connections.ts'
import { AppError } from '../lib/errors.ts'
import type { Departure } from '../providers/provider.ts'
import { leaveByForm } from './leave-by-form.ts'
import { html, page } from './page.ts'

/**
 * The page on the way out. A redirect would do, but browsers hold every hop after a form to `form-action`, and an
 * organization's provider may send people on to a third host that nobody can list.
 */
export function leavePage(
  connection: Connection,
  { to, post }: { readonly to: URL; readonly post?: Departure['post'] },
): Promise<Response> {
  if (post) return leaveByForm(connection, to, post)
  const { organization } = connection
  if (!['https:', 'http:'].includes(to.protocol))
    throw new AppError('sso_failed', { reason: 'redirect_scheme' })
  return page(
    { title: `To ${organization.name}`, headers: { refresh: `0; url=${to.href}` } },
    html`<h1>Taking you to <bdi>${organization.name}</bdi></h1>
      <p>You sign in at <strong>${to.host}</strong> and come back here.</p>
      <p><a class="button primary" href="${to.href}">Continue</a></p>
      <p class="quiet">If nothing happens, press Continue.</p>`,
  )
}
