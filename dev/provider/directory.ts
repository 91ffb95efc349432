import type { DevelopmentPerson } from './people.ts'

/** Where an application wants to be told who belongs to the organization (SCIM 2.0); a real provider is given both by hand. */
export interface DirectoryAddress {
  /** Such as `https://app.example.com/scim/v2/ID`. */
  readonly base: string
  readonly token: string
}

type Ask = (url: string, init: RequestInit) => Promise<Response>

const user = 'urn:ietf:params:scim:schemas:core:2.0:User'
const patch = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

/** Says that somebody is active or not: on the application's entry of them, which is made where there is none (RFC 7644 §3). */
export async function setActive(
  { base, token }: DirectoryAddress,
  { id, name, email }: DevelopmentPerson,
  active: boolean,
  ask: Ask,
): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
  const filter = encodeURIComponent(`userName eq "${id}"`)
  const found = await ask(`${base}/Users?filter=${filter}`, { method: 'GET', headers })
  if (!found.ok) return found
  const { Resources: [entry] = [] } = (await found.json()) as { Resources?: { id: string }[] }
  if (entry) {
    const operations = [{ op: 'replace', path: 'active', value: active }]
    const body = JSON.stringify({ schemas: [patch], Operations: operations })
    return ask(`${base}/Users/${entry.id}`, { method: 'PATCH', headers, body })
  }
  const emails = [{ value: email, primary: true }]
  const made = { schemas: [user], userName: id, displayName: name, emails, active }
  return ask(`${base}/Users`, { method: 'POST', headers, body: JSON.stringify(made) })
}
