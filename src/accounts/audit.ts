import { sql, type Insertable } from 'kysely'
import { newId } from '../lib/ids.ts'
import { metrics } from '../lib/metrics.ts'
import { prepared, type Db } from '../db/open.ts'
import type { DB } from '../db/schema.ts'

/**
 * Everything that is written to the audit, and when. The keys are stable names.
 * `docs/audit.md` is made from this table.
 */
export const auditActions = {
  'login.succeeded': 'Somebody signed in.',
  'login.denied': 'A sign-in was refused; the reason says why.',
  'login.mail_sent': 'A link for signing in was asked for by mail.',
  'login.identity_unregistered': 'A provider vouched for somebody who has no account here.',
  'identity.linked': 'An identity at a provider was linked to an account.',
  'identity.unlinked': 'An identity at a provider was unlinked from its account.',
  'identity.in_use':
    'Somebody tried to link an identity that is linked to another account; told once of each of the two.',
  'identity.subject_changed':
    'Somebody tried to link a second identity of one connection: the provider may have changed its ids.',
  'invitation.created': 'Somebody was invited to an organization.',
  'invitation.withdrawn': 'An invitation was withdrawn.',
  'invitation.accepted': 'An invitation was accepted; its token is used up.',
  'invitation.refused': 'An invitation was refused; the reason says why.',
  'identity.conflict': 'An unknown identity signed in where somebody else’s session was alive.',
  'identity.revoked':
    'A provider no longer vouches for somebody: what rests on that identity ended. The reason is in its words.',
  'identity.removal_announced':
    'A person was told that a sign-in they have not used for long goes; the data say when.',
  'identity.removed': 'An identity was forgotten; the reason says why.',
  'link.moved':
    'A member’s link to the organization’s provider went to another state; the reason says why.',
  'verification.rung_fell':
    'An identity cannot be asked about as before; the data say what is left.',
  'verification.trouble_began': 'A provider could not be asked; nobody lost anything by that.',
  'verification.trouble_ended': 'A provider that could not be asked answers again.',
  'verification.alarm': 'Administrators were told of trouble with a provider.',
  'verification.all_clear': 'Administrators were told that the trouble is over.',
  'verification.braked':
    'More people than usual were said to be gone at once: nobody loses anything until an administrator confirms it.',
  'verification.brake_lifted': 'What the brake held was carried out.',
  'signal.received':
    'A provider’s shared signal was carried out; the data say which event, and what it came to.',
  'signal.ignored':
    'A provider’s shared signal changed nothing; the reason says why. Of those that say nothing about people here one is told once in a while.',
  'signal.refused':
    'A shared signal was not taken; the reason says why. The same one is told once in a while.',
  'signals.set_up': 'A stream of shared signals was set up for a connection.',
  'signals.verified': 'A stream of shared signals brought the event that shows that it works.',
  'signals.status_changed':
    'A transmitter has paused, disabled or resumed a stream of shared signals.',
  'signals.removed':
    'A connection gave its stream of shared signals up; the data say whether the transmitter was told, and how many people may sign in again.',
  'connection.sign_out_changed':
    'Whether signing out of a connection’s provider and here belong together was changed.',
  'frontchannel.logout_refused':
    'A provider’s page asked in a frame to end a session, and none was ended; the reason says why. Told once in a while.',
  'connection.verification_changed':
    'How often a connection’s people are asked about, or what happens when nobody can be asked, was changed.',
  'user.registered': 'An account was made.',
  'email.verification_sent': 'A link was mailed to an address, to prove whose it is.',
  'email.verified': 'An address was proven to be a person’s; it can sign them in.',
  'passkey.registered': 'A person added a passkey.',
  'passkey.renamed': 'A person renamed a passkey.',
  'passkey.removed': 'A person removed a passkey.',
  'passkey.refused': 'A passkey was refused; the reason says why.',
  'organization.created': 'An organization was made.',
  'organization.deleted': 'An organization was deleted; nothing in it can be reached any more.',
  'member.removed': 'Somebody was removed from an organization.',
  'member.left': 'Somebody left an organization.',
  'member.deactivated':
    'An organization’s directory put somebody out: what they were signed in to there ended.',
  'member.reactivated':
    'Whom an organization’s directory had put out may sign in again, by its word or an administrator’s.',
  'scim.switched_on': 'A directory may say from now on who belongs to an organization.',
  'scim.switched_off': 'A directory may not say any more who belongs; its tokens are void.',
  'scim.match_changed': 'It was changed by what a directory’s entries and sign-ins are matched.',
  'scim.token_made': 'A token for a directory was made.',
  'scim.token_withdrawn': 'A token of a directory was withdrawn.',
  'scim.token_expiring':
    'The last token of a directory runs out soon: from then on it puts nobody out any more.',
  'scim.refused': 'A request of a directory was refused; told once in a while for each reason.',
  'scim.user_created': 'A directory named somebody; the data say whether they are active.',
  'scim.user_changed':
    'A directory changed what it says of somebody; the data say whether they are active, if that changed.',
  'scim.user_deleted': 'A directory deleted somebody, which keeps them out.',
  'scim.user_bound':
    'Somebody signed in whom a directory had named: from now on it decides about their membership.',
  'scim.overruled': 'An administrator let somebody in whom the directory had put out.',
  'scim.owner_kept':
    'A directory wanted the last owner of an organization out; nothing was changed.',
  'scim.group_created': 'A directory made a group; how many are in it.',
  'scim.group_changed': 'A directory changed a group; how many are in it.',
  'scim.group_deleted': 'A directory dissolved a group; how many were in it.',
  'member.link_mails_sent':
    'Members whose sign-in is not linked yet were mailed how to link it; how many, and how many have no verified address.',
  'organization.renamed': 'An organization got another name.',
  'organization.policy_changed':
    'What an organization asks of sessions, or what role new members get, was changed.',
  'sessions.ended':
    'What sessions prove to an organization was ended, or everything; the data say how many.',
  'member.role_changed': 'A member got another role.',
  'sso.required':
    'An organization requires its own sign-in from now on; how many members it has, and how many of them had not linked one.',
  'sso.not_required': 'An organization lets its members in by themselves again.',
  'recovery.codes_made': 'An owner made new recovery codes; the older ones are void.',
  'recovery.code_used':
    'An owner got past the required sign-in with a recovery code, in one session and for an hour.',
  'recovery.refused': 'A recovery code was refused; the reason says why.',
  'domain.claimed': 'A domain was claimed for an organization; nothing is proven yet.',
  'domain.proven': 'A domain’s DNS record was found: the domain is the organization’s.',
  'domain.missing': 'The DNS record of a proven domain cannot be found any more.',
  'domain.found': 'A missing DNS record is back.',
  'domain.lost':
    'A DNS record stayed away for too long: the domain is not the organization’s any more.',
  'domain.routed': 'It was said through which connection people of a domain sign in.',
  'domain.removed': 'An organization gave a domain up.',
  'connection.joining_changed':
    'Who may join through a connection was changed, or which roles its provider gives.',
  'connection.created': 'A connection to a provider was made.',
  'saml.keys_changed': 'A SAML connection’s own keys went a step on; the data say which.',
  'saml.address_taken':
    'A provider’s metadata has other addresses to sign in and out at, and they are used.',
  'saml.certificate_taken':
    'A certificate of a SAML provider is accepted from now on; the data say on whose word.',
  'saml.certificate_dropped':
    'A certificate of a SAML provider is accepted no more: it is not published any more, or an administrator said so.',
  'saml.certificate_waiting':
    'A SAML provider has published a certificate that waits for an administrator’s word.',
  'saml.certificate_expiring':
    'A certificate of a SAML connection runs out soon; the data say when.',
  'saml.follow_changed':
    'Whether new certificates in a SAML provider’s metadata are taken without asking was changed.',
  'saml.metadata_refused':
    'A SAML provider’s metadata could not be taken; nothing was changed. Told once until it can be again.',
  'saml.logout_refused': 'A message about signing out was refused; the reason says why.',
  'connection.saved':
    'A connection’s settings were saved; the data say which version, and by which set-up link if by one.',
  'connection.tested':
    'A test sign-in went through; the data say with which version, and by which set-up link if by one.',
  'connection.version_used': 'Another version of a connection’s settings was put to use.',
  'connection.activated': 'A connection was switched on.',
  'connection.disabled': 'A connection was switched off.',
  'connection.deleted': 'A connection was deleted, with its settings.',
  'connection.renamed': 'A connection got another name.',
  'connection.secret_end_set': 'It was noted when the client secret of a connection runs out.',
  'connection.secret_expiring':
    'The client secret of a connection runs out soon; the data say when.',
  'webhook.set':
    'It was said where an organization’s alarms are posted; the data say at which host. Its secret is new.',
  'webhook.removed': 'An organization’s alarms are posted nowhere any more.',
  'webhook.tested': 'An owner had a test message posted.',
  'setup_link.created': 'A link was made for somebody without an account to set a connection up.',
  'setup_link.withdrawn': 'A set-up link was withdrawn.',
  'flow.started': 'A sign-in began.',
  'flow.denied': 'A sign-in could not be continued; the reason says why.',
  'session.created': 'A session began.',
  'session.rotated': 'A session went on under a new token; the old one is dead.',
  'session.user_switched':
    'Another person signed in in the same browser; the earlier session ended.',
  'session.revoked': 'A session was ended; the reason says why.',
  'session.dead_presented': 'A cookie of an ended or unknown session was presented.',
  'session.malformed_cookie': 'A session cookie that cannot be one was presented.',
  'session.id_in_wrong_channel': 'A session token was sent elsewhere than in the cookie.',
  'session.device_hint_lost': 'A session’s own browser cookie went missing.',
  'session.reauth_required':
    'A session’s sign-in is too old, or was declared so; it changes nothing before a new one.',
  'session.locked': 'A session was told to sign in again; nothing else is let through.',
  'session.expired':
    'A session that ran out was presented; the reason says which end it had reached.',
  'session.orphaned_revoked': 'Sessions of an account that is gone were ended.',
  'cookie.duplicate': 'Two session cookies came in one request; neither was used.',
  'device.hint_set': 'A browser cookie was set.',
  'authz.denied': 'Somebody asked for what is not theirs.',
  'security.csrf': 'A request from another site was refused.',
  'security.rng_failure': 'The random generator failed; nothing was issued.',
  'forward_auth.untrusted_proxy': 'Forwarded headers came from somebody who is not a known proxy.',
  'guest.created': 'Somebody chose to go on as a guest.',
  'guest.claim_offered': 'A guest who signed in was offered their work.',
  'guest.claimed':
    'A guest’s work went to the account they signed in to; the guest’s id stands for that account. Denied: the application’s hook failed, and nothing was changed.',
  'guest.declined': 'A guest who signed in or registered left their work behind.',
  'guest.purged': 'Guests whose time was over were deleted with what they had; how many.',
  'store.unavailable': 'The database did not answer.',
  'error.unhandled': 'A fault nobody expected; answered with 500.',
  'devlogin.used':
    'An invented person was signed in at the press of a button; in development only.',
  'devlogin.refused': 'A sign-in at the press of a button was refused; the reason says why.',
  'auth.state_impossible': 'A state that cannot be was reached: a programming error.',
} as const

export type AuditAction = keyof typeof auditActions

/** One thing that happened. Data holds plain words and numbers only, so that no secret object can get in. */
export interface AuditEvent {
  readonly action: AuditAction
  /** @default 'ok' */
  readonly outcome?: 'ok' | 'deny'
  readonly organizationId?: string | undefined
  readonly actorId?: string | undefined
  /** The id of what it was done to. */
  readonly target?: string | undefined
  readonly data?: Readonly<Record<string, string | number | boolean | null | undefined>>
  readonly requestId?: string | undefined
}

/** Writes one event. Call it in the transaction of the change that it tells of. */
export async function recordEvent(db: Db, event: AuditEvent, now: Date): Promise<void> {
  await db
    .insertInto('audit_events')
    .values(eventRow(event, now))
    .modifyEnd(prepared('record_event'))
    .execute()
}

/** Writes events that belong together, in their order, in one statement. */
export async function recordEvents(
  db: Db,
  events: readonly AuditEvent[],
  now: Date,
): Promise<void> {
  if (events.length === 0) return
  await db
    .insertInto('audit_events')
    .values(events.map((event) => eventRow(event, now)))
    // As many as a sign-in usually has.
    .modifyEnd(events.length < 4 ? prepared(`record_events_${events.length}`) : sql``)
    .execute()
}

/** An event as its row, for whoever writes it in the statement that it tells of. */
export function eventRow(event: AuditEvent, now: Date): Insertable<DB['audit_events']> {
  metrics.auditEvents.add(1, event.action)
  return {
    id: newId(),
    action: event.action,
    outcome: event.outcome ?? 'ok',
    organization_id: event.organizationId ?? null,
    actor_id: event.actorId ?? null,
    target: event.target ?? null,
    data: JSON.stringify(event.data ?? {}),
    request_id: event.requestId ?? null,
    at: now,
  }
}
