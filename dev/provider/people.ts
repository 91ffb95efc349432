/** Somebody the development provider can sign in. */
export interface DevelopmentPerson {
  /** The subject: `sub` in the ID token. */
  readonly id: string
  readonly name: string
  readonly email: string
  /** What they are at the application. `newcomer`: nothing yet. */
  readonly role: 'owner' | 'admin' | 'member' | 'newcomer'
  readonly suspended: boolean
}

/** A person as the provider itself keeps them. */
export type PersonRecord = { -readonly [Key in keyof DevelopmentPerson]: DevelopmentPerson[Key] }

/** The people of `organization` as they are at the start. Their addresses can never receive mail (RFC 2606 §2). */
export function startingPeople(organization: string): PersonRecord[] {
  const domain = `${organization.toLowerCase().replaceAll(/[^a-z0-9]+/g, '')}.example`
  return [
    person('Alice Archer', domain, 'owner', false),
    person('Bob Baker', domain, 'member', false),
    person('Carol Clark', domain, 'member', true),
    person('Dave Dyer', domain, 'admin', false),
    person('Erin Ellis', domain, 'newcomer', false),
  ]
}

function person(
  name: string,
  domain: string,
  role: PersonRecord['role'],
  suspended: boolean,
): PersonRecord {
  const id = name.split(' ', 1).join('').toLowerCase()
  return { id, name, email: `${id}@${domain}`, role, suspended }
}
