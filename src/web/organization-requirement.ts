import { lockedOut, type LockedOut, type LockedOutPage } from '../accounts/locked-out.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange, Services } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import type { Membership } from '../sessions/lookup.ts'
import {
  lacksToRequire,
  requireSso,
  ssoRequiredSince,
  stopRequiringSso,
  type Lack,
} from '../sessions/requiring.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { moment } from './time.ts'

const path = '/requirement'
const tab = '/policy'

/** `GET /organizations/:org/requirement`: whether only the organization's own sign-in counts, and who would be out. */
export const requirement: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const organization = await administeredOrganization(exchange, 'requirement')
  const after = url.searchParams.get('after')
  const out = await lockedOut(services.db, organization.id, {
    after: isId(after ?? '') ? after : null,
  })
  const since = await ssoRequiredSince(services.db, organization.id)
  const lacks = since ? [] : await lacksOf(services, organization)
  return organizationPage(
    exchange,
    organization,
    { title: `Required sign-in of ${organization.name}`, current: tab },
    html`<h1>Required sign-in</h1>
      <p class="lead">
        ${
          since
            ? html`Since ${moment(since)}, only a sign-in through a connection of
                <bdi>${organization.name}</bdi> lets its members in.`
            : html`Members of <bdi>${organization.name}</bdi> get in by its own sign-in or by
                themselves. You can let its own sign-in alone count.`
        }
      </p>
      ${outSection(organization, out, since !== null)}
      ${since ? onSection(organization) : offSection(organization, lacks)}
      ${recoverySection(organization)}`,
  )
}

/** Which sign-in lets members in, as a part of the policy page. */
export async function requirementSection(
  { services }: Exchange,
  organization: Membership,
): Promise<Html> {
  const since = await ssoRequiredSince(services.db, organization.id)
  return html`<section aria-labelledby="requirement">
    <h2 id="requirement">Required sign-in</h2>
    <p class="quiet">
      ${
        since
          ? html`Only <bdi>${organization.name}</bdi>’s own sign-in lets members in.`
          : html`Members get in by <bdi>${organization.name}</bdi>’s own sign-in or by themselves.`
      }
    </p>
    <p>
      <a class="button" href="${organizationPath(organization, path)}"
        >${since ? 'See it' : 'Require its own sign-in …'}</a
      >
    </p>
  </section>`
}

/** `GET /organizations/:org/requirement/confirm`: asks before it is required. */
export const confirmRequirement: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange, 'requirement')
  const { members, count, owners } = await lockedOut(services.db, organization.id)
  const back = organizationPath(organization, path)
  return organizationPage(
    exchange,
    organization,
    { title: 'Require the sign-in', current: tab },
    html`<h1>Require <bdi>${organization.name}</bdi>’s own sign-in?</h1>
      <p class="lead">
        From then on nobody gets in another way: not by mail or passkey, not through another
        organization, and not in a session that began like that.
      </p>
      <p>${outWords({ members, count, owners })}</p>
      ${hasOwnProof(organization) ? '' : html`<p class="notice">Your own session is not through that sign-in: you sign in again.</p>`}
      <div class="row">
        ${buttonForm(back, 'Require it for everybody', { look: 'danger', fields: { required: 'yes' } })}
        <a href="${back}">Leave it as it is</a>
      </div>`,
  )
}

/** `POST /organizations/:org/requirement`: requires it, or not any more. */
export const setRequirement: Endpoint = async (exchange) => {
  const { services, form, asker, requestId } = exchange
  const organization = await administeredOrganization(exchange, 'requirement')
  const actor = { userId: asker.session!.person.id, requestId }
  const now = services.clock.now()
  const wanted = form['required']
  if (wanted !== 'yes' && wanted !== 'no')
    throw new AppError('invalid_request', { reason: 'nothing_chosen' })
  if (wanted === 'no') await stopRequiringSso(services, organization.id, actor, now)
  else {
    const lacks = recoverable(services)
      ? await requireSso(services, organization.id, actor, now)
      : (['no_recovery'] as const)
    if (lacks.length > 0)
      throw new AppError('config_rejected', {
        reason: lacks[0]!,
        members: { problems: lacks.map((lack) => words[lack]) },
      })
  }
  return seeOther(organizationPath(organization, path))
}

/** A code needs its owner to sign in by themself first: where nobody can, codes are of no use. */
function recoverable({ personalSignIn }: Services): boolean {
  return personalSignIn !== 'off'
}

async function lacksOf(services: Services, { id }: Membership): Promise<readonly Lack[]> {
  const lacks = await lacksToRequire(services.db, id, services.clock.now())
  return recoverable(services) || lacks.includes('no_recovery') ? lacks : [...lacks, 'no_recovery']
}

/** Whether this session would still count. */
function hasOwnProof({ connectionId }: Membership): boolean {
  return connectionId !== null
}

const words: Readonly<Record<Lack, string>> = {
  no_connection: 'There is no active connection to sign in through.',
  no_owner_signed_in:
    'No owner has signed in through an active connection within the last 24 hours, so nobody knows that it works.',
  no_recovery:
    'No owner has recovery codes and a way to sign in by themself (a verified address or a passkey), so nobody could mend a sign-in that breaks.',
}

/** Where whoever looks at the page can do something about it; only owners can about some. */
function mendOf(lack: Lack, organization: Membership): Html | '' {
  const here = organizationPath(organization, path)
  const isOwner = organization.role === 'owner'
  switch (lack) {
    case 'no_connection':
      return html`<a href="${organizationPath(organization, '/connections')}"
        >Connect a provider</a
      >`
    case 'no_owner_signed_in':
      if (!isOwner) return ''
      return html`<a
        href="/login/${organization.slug}?switch=1&return_to=${encodeURIComponent(here)}"
        >Sign in through it now</a
      >`
    case 'no_recovery':
      if (!isOwner) return ''
      return html`<a href="${organizationPath(organization, '/recovery')}">Make recovery codes</a>`
  }
}

function offSection(organization: Membership, lacks: readonly Lack[]): Html {
  return html`<section aria-labelledby="require">
    <h2 id="require">Require it</h2>
    ${
      lacks.length > 0
        ? html`<p>Not yet:</p>
            <ol>
              ${lacks.map((lack) => html`<li>${words[lack]} ${mendOf(lack, organization)}</li>`)}
            </ol>`
        : html`<p class="quiet">
              Everything is ready: an owner has signed in through it lately, and can get in if it
              breaks.
            </p>
            <p>
              <a class="button" href="${organizationPath(organization, `${path}/confirm`)}"
                >Require it …</a
              >
            </p>`
    }
  </section>`
}

function onSection(organization: Membership): Html {
  return html`<section aria-labelledby="stop">
    <h2 id="stop">Stop requiring it</h2>
    <p class="quiet" id="stopping">
      Members get in by themselves again, at once, by mail or passkey.
    </p>
    ${buttonForm(organizationPath(organization, path), 'Stop requiring it', {
      look: 'danger',
      describedBy: 'stopping',
      fields: { required: 'no' },
    })}
  </section>`
}

function recoverySection(organization: Membership): Html | '' {
  if (organization.role !== 'owner') return ''
  return html`<section aria-labelledby="recovery">
    <h2 id="recovery">If it breaks</h2>
    <p class="quiet">
      Owners keep recovery codes, which let them in past a sign-in that is broken.
    </p>
    <p>
      <a class="button" href="${organizationPath(organization, '/recovery')}"
        >Your recovery codes</a
      >
    </p>
  </section>`
}

function outWords({
  members,
  count,
  owners,
}: Pick<LockedOutPage, 'members' | 'count' | 'owners'>): string {
  if (count === 0)
    return members === 1
      ? 'The only member has linked it.'
      : `All ${members} members have linked it.`
  const of = owners > 0 ? `, ${owners} of them owning the organization,` : ''
  return `${count} of ${members} members${of} have not linked it: they do not get in before they do.`
}

function outSection(organization: Membership, out: LockedOutPage, required: boolean): Html {
  return html`<section aria-labelledby="out">
    <h2 id="out">${required ? 'Who is locked out' : 'Who would be locked out'}</h2>
    <p class="${out.count > 0 ? '' : 'quiet'}">${outWords(out)}</p>
    ${
      out.people.length > 0
        ? html`<ul>
            ${out.people.map(outRow)}
          </ul>`
        : ''
    }
    ${out.next === null ? '' : html`<p><a href="${organizationPath(organization, `${path}?after=${out.next}`)}">More</a></p>`}
  </section>`
}

function outRow({ name, role }: LockedOut): Html {
  return html`<li>
    <div><bdi>${name}</bdi></div>
    <span class="mark">${role}</span>
  </li>`
}
