import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint } from '../http/exchange.ts'
import {
  claimGuest,
  declineGuest,
  describeGuest,
  findOffer,
  type Offer,
} from '../sessions/guests.ts'
import { hiddenFields, html, page, seeOther, type Html } from './page.ts'

/** `GET /claim`: somebody who was a guest here has signed in. Shall their work come with them? */
export const claim: Endpoint = async ({ services, asker, url, requestId }) => {
  const session = asker.session!
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  const offer = await findOffer(services.db, session.id)
  if (!offer) return seeOther(returnTo)
  const work = await describeGuest(services, offer.guestId)
  if (work !== null) return claimPage({ name: session.person.name, offer, work, returnTo })
  const nothing = { ...offer, sessionId: session.id, userId: session.person.id, requestId }
  await declineGuest(services.db, nothing, services.clock.now())
  return seeOther(returnTo)
}

/** `POST /claim`: the answer. Only what the page has offered is taken, and only on a plain yes. */
export const answerClaim: Endpoint = async ({ services, asker, form, requestId }) => {
  const { id: sessionId, person } = asker.session!
  const returnTo = safeReturnTo(form['return_to'], services.origin)
  const offer = await findOffer(services.db, sessionId)
  if (!offer || offer.guestId !== form['guest']) return seeOther(returnTo)
  const answering = { sessionId, userId: person.id, guestId: offer.guestId, requestId }
  const again = `/claim?return_to=${encodeURIComponent(returnTo)}`
  if (form['choice'] === 'no') await declineGuest(services.db, answering, services.clock.now())
  else if (form['choice'] !== 'yes' || !(offer.sameBrowser || form['mine'] === 'yes'))
    return seeOther(again)
  else if ((await claimGuest(services, answering)) === 'failed')
    return failedPage({ name: person.name, again, returnTo })
  return seeOther(returnTo)
}

function claimPage({
  name,
  offer,
  work,
  returnTo,
}: {
  name: string
  offer: Offer
  work: string
  returnTo: string
}): Promise<Response> {
  return page(
    { title: 'Take your work with you?', signedInAs: name },
    html`<h1>Take your work with you?</h1>
      <p>
        You are signed in as <strong><bdi>${name}</bdi></strong
        >. Before that you were a guest here.
      </p>
      <p>
        Take <strong><bdi>${work}</bdi></strong> with you?
      </p>
      <form method="post" action="/claim">
        ${hiddenFields({ guest: offer.guestId, return_to: returnTo })}
        ${offer.sameBrowser ? '' : foreignWork()}
        <button class="primary" name="choice" value="yes">Yes, add it to my account</button>
        <button name="choice" value="no">No, leave it behind</button>
      </form>
      <p class="quiet">
        What you leave behind is deleted after a while. It cannot be fetched later.
      </p>`,
  )
}

/** Whoever puts a guest’s cookie into somebody else’s browser must not get their work into the account by one click. */
function foreignWork(): Html {
  return html`<p class="tick">
    <input type="checkbox" id="mine" name="mine" value="yes" />
    <label for="mine">It was begun in another browser, and it is mine.</label>
  </p>`
}

function failedPage({
  name,
  again,
  returnTo,
}: {
  name: string
  again: string
  returnTo: string
}): Promise<Response> {
  return page(
    { title: 'Your work could not be moved', status: 500, signedInAs: name },
    html`<h1>Your work could not be moved</h1>
      <p>
        You are signed in, and nothing was lost: it is still where it was. Try again in a minute.
      </p>
      <p><a class="button primary" href="${again}">Try again</a></p>
      <p><a class="button" href="${returnTo}">Go on without it for now</a></p>`,
  )
}
