import { isAdministrator } from '../http/administered.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Membership } from '../sessions/lookup.ts'
import { html, page, type Html } from './page.ts'
import { tabOf } from './tabs.ts'

/** A page of an organization that its navigation leads to. */
export interface OrganizationTab {
  readonly label: string
  /** What follows `/organizations/:org`. */
  readonly path: string
}

/** What an organization's administrators find, in order. */
export const organizationTabs: readonly OrganizationTab[] = [
  { label: 'Overview', path: '' },
  { label: 'Members', path: '/members' },
  { label: 'Invitations', path: '/invitations' },
  { label: 'Connections', path: '/connections' },
  { label: 'Health', path: '/health' },
  { label: 'Joining', path: '/joining' },
  { label: 'Domains', path: '/domains' },
  { label: 'Policy', path: '/policy' },
  { label: 'Sessions', path: '/sessions' },
  { label: 'Sign-ins', path: '/sign-ins' },
  { label: 'Audit', path: '/audit' },
]

/** What one page of an organization is. */
export interface OrganizationPageOptions {
  readonly title: string
  /** The path of the tab that it belongs to. */
  readonly current: string
  /** @default 200 */
  readonly status?: number
  /** The path of a script of ours that the page loads. @default none */
  readonly script?: string
}

/** Where an organization's pages are. */
export function organizationPath({ slug }: Pick<Membership, 'slug'>, rest = ''): string {
  return `/organizations/${slug}${rest}`
}

/** A page of an organization, with the way to the others. `body` begins with the page's one `h1`. */
export function organizationPage(
  { asker }: Exchange,
  organization: Membership,
  { current, ...options }: OrganizationPageOptions,
  body: Html,
): Promise<Response> {
  return page(
    {
      ...options,
      signedInAs: asker.session!.person.name,
      tab: tabOf(asker.session),
      wide: true,
    },
    html`${isAdministrator(organization) ? tabs(organization, current) : ''}${body}`,
  )
}

/** Names stand beside what they are called in addresses: two organizations may look alike, their addresses do not. */
function tabs(organization: Membership, current: string): Html {
  return html`<nav class="tabs" aria-label="Organization">
    <strong><bdi>${organization.name}</bdi> <span class="quiet">${organization.slug}</span></strong>
    ${organizationTabs.map(
      ({ label, path }) =>
        html`<a
          href="${organizationPath(organization, path)}"
          ${path === current ? html`aria-current="page"` : ''}
          >${label}</a
        >`,
    )}
  </nav>`
}
