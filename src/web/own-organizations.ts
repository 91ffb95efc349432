import { listBelongings, type BelongsTo } from '../accounts/members.ts'
import type { Exchange } from '../http/exchange.ts'
import { html, type Html } from './page.ts'

/** What the person belongs to, as a part of their account page, whether or not this session is good for it. */
export async function organizationSection({ services, asker }: Exchange): Promise<Html> {
  const { person, organizations, unproven } = asker.session!
  const all = await listBelongings(services.db, person.id)
  const open = new Set(organizations.map(({ id }) => id))
  const required = new Set(unproven.flatMap(({ id, ssoRequired }) => (ssoRequired ? [id] : [])))
  return html`<section aria-labelledby="organizations">
    <h2 id="organizations">Organizations</h2>
    ${
      all.length > 0
        ? html`<ul>
            ${all.map((one) => row(one, { open: open.has(one.id), required: required.has(one.id) }))}
          </ul>`
        : html`<p class="quiet">You belong to none.</p>`
    }
    ${
      services.organizations === 'anybody'
        ? html`<p><a class="button" href="/organizations/new">New organization</a></p>`
        : ''
    }
  </section>`
}

function row(
  { id, name, slug, role }: BelongsTo,
  { open, required }: { open: boolean; required: boolean },
): Html {
  const label = `organization-${id}`
  return html`<li>
    <div id="${label}">
      <strong><bdi>${name}</bdi></strong> <span class="mark">${role}</span>
      <p class="quiet">
        ${slug}${open ? '' : required ? ' · It asks for its own sign-in, which this session lacks.' : ' · This session is not good for it; sign in to it first.'}
      </p>
    </div>
    <a
      class="button"
      href="${open ? `/organizations/${slug}` : `/login/${slug}?return_to=${encodeURIComponent(`/organizations/${slug}`)}`}"
      aria-describedby="${label}"
      >${open ? 'Open' : 'Sign in'}</a
    >
    <a href="/account/organizations/${id}/leave" aria-describedby="${label}">Leave</a>
  </li>`
}
