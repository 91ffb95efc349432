import { outranks, type LinkState } from '../accounts/members.ts'
import type { Role } from '../accounts/organizations.ts'
import { html, type Html } from './page.ts'

/** What people read of each state of a member's link to the provider, in a list and where it is explained. */
export const linkWords: Readonly<
  Record<LinkState, { readonly label: string; readonly meaning: string }>
> = {
  linked: {
    label: 'Linked',
    meaning: 'The organization’s identity provider vouches for them.',
  },
  unlinked: {
    label: 'Not linked',
    meaning: 'They have not signed in through the organization’s identity provider yet.',
  },
  suspect: {
    label: 'In doubt',
    meaning: 'The identity provider could not be asked about them for a while.',
  },
  revoked: {
    label: 'Not vouched for',
    meaning: 'The identity provider says that they are not there any more. They are kept out.',
  },
}

const roles: Readonly<Record<Role, string>> = {
  member: 'Member: uses it',
  admin: 'Admin: looks after members and sign-in',
  owner: 'Owner: an admin whom only owners can change',
}

/** A choice among the roles that somebody with the role `actor` may give. */
export function roleChoice(id: string, actor: Role, chosen: Role = 'member'): Html {
  const offered = (Object.keys(roles) as Role[]).filter((role) => outranks(actor, role))
  return html`<label for="${id}">Role</label>
    <select id="${id}" name="role">
      ${offered.map(
        (role) =>
          html`<option value="${role}" ${role === chosen ? html`selected` : ''}>
            ${roles[role]}
          </option>`,
      )}
    </select>`
}

/** The role that a form names; undefined: none that there is. */
export function roleIn(form: Readonly<Record<string, string>>): Role | undefined {
  return (Object.keys(roles) as Role[]).find((role) => role === form['role'])
}
