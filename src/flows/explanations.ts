/** Why a sign-in failed, for the administrator who has to mend it. */
export interface Explanation {
  /** What happened. */
  readonly what: string
  /** What to do about it. */
  readonly mend: string
}

const ours = 'This is a fault of ours. Give whoever runs this server the reference.'
const retry = 'Nobody did anything wrong. The person signs in again.'
const theirMetadata =
  'This is the provider’s to mend. Check that the issuer is spelled exactly as its documentation gives it, and ask its support.'
const attack =
  'If it happens once, the person signs in again. If it happens often, somebody may be tampering: tell your security team.'
const noAnswer =
  'Look at the provider’s status page, and sign in again in a while. Sessions that exist go on.'

/** Every reason that is told to administrators, by its whole name or by what stands before a colon. */
export const explanations: Readonly<Record<string, Explanation>> = {
  // What the provider said when it sent the browser back.
  provider_error: {
    what: 'The provider sent the browser back with an error instead of a sign-in.',
    mend: 'Look up the error at the provider. Most often the person is not assigned to the application there, or they pressed Cancel.',
  },
  oidc_redirect_uri_mismatch: {
    what: 'The browser came back to another address than the sign-in had given.',
    mend: 'Compare the redirect URI registered at the provider with the one on the connection’s page, character for character.',
  },
  oidc_parameter_repeated: {
    what: 'The provider’s answer had one parameter twice.',
    mend: attack,
  },
  oidc_response_mode: {
    what: 'The provider answered in another way than it was asked to: with tokens in the address.',
    mend: 'Set the application at the provider to the authorization code flow, without “implicit” or “hybrid”.',
  },
  oidc_code_missing: {
    what: 'The provider’s answer held no code.',
    mend: 'Set the application at the provider to the authorization code flow.',
  },
  oidc_iss_mismatch: {
    what: 'The answer says that it comes from another provider than this connection’s.',
    mend: `Check the issuer in the connection’s settings. ${attack}`,
  },
  oidc_code_injection: {
    what: 'The answer belongs to another sign-in than the one this browser had begun.',
    mend: attack,
  },
  provider_changed: {
    what: 'The connection’s provider was changed while the person was signing in.',
    mend: retry,
  },
  // The keys and the token.
  key_not_found: {
    what: 'The token is signed with a key that the provider does not publish.',
    mend: 'The provider may be exchanging its keys: sign in again in ten minutes. If it stays, check that the issuer is that of the application.',
  },
  key_ambiguous: {
    what: 'The provider publishes several keys that fit, and the token does not say which one it is.',
    mend: 'Ask the provider to put a key id (kid) into its tokens.',
  },
  jwks: {
    what: 'The provider’s list of signing keys could not be used.',
    mend: theirMetadata,
  },
  id_token_invalid: {
    what: 'The provider’s ID token did not pass a check.',
    mend: theirMetadata,
  },
  'id_token_invalid: iss': {
    what: 'The ID token names another issuer than the connection’s settings.',
    mend: 'Copy the issuer anew from the provider; at some providers each application or tenant has its own.',
  },
  'id_token_invalid: aud': {
    what: 'The ID token was made for another application.',
    mend: 'Compare the client id in the settings with that of the application at the provider.',
  },
  'id_token_invalid: azp': {
    what: 'The ID token was asked for by another application.',
    mend: 'Compare the client id in the settings with that of the application at the provider.',
  },
  'id_token_invalid: alg': {
    what: 'The ID token is signed in a way that the settings do not allow.',
    mend: 'Set the application at the provider to sign ID tokens with RS256, or allow its algorithm in the settings.',
  },
  'id_token_invalid: exp': {
    what: 'The ID token had run out when it came.',
    mend: 'The clock of the provider or of this server is wrong, or the person took very long. Sign in again; if it stays, compare the clocks.',
  },
  'id_token_invalid: iat': {
    what: 'The ID token was made in the future, or too long ago.',
    mend: 'The clock of the provider or of this server is wrong. Compare the clocks.',
  },
  'id_token_invalid: nbf': {
    what: 'The ID token is not valid yet.',
    mend: 'The clock of the provider or of this server is wrong. Compare the clocks.',
  },
  'id_token_invalid: session_expiry': {
    what: 'The provider says that its own session had already ended.',
    mend: 'The person signs out at the provider and signs in again.',
  },
  'id_token_invalid: signature': {
    what: 'The signature of the ID token is wrong.',
    mend: attack,
  },
  'id_token_invalid: events': {
    what: 'The provider sent a logout token where an ID token belongs.',
    mend: attack,
  },
  'id_token_invalid: c_hash': {
    what: 'The ID token belongs to another code than the one that came back.',
    mend: attack,
  },
  'id_token_invalid: at_hash': {
    what: 'The ID token belongs to another access token than the one it came with.',
    mend: attack,
  },
  identity_missing_subject: {
    what: 'The provider did not say who the person is: there is no subject, or it cannot be one.',
    mend: 'Set the provider to send a stable identifier of the person; an e-mail address will not do.',
  },
  assurance_insufficient: {
    what: 'The provider let the person through without asking them anew, or not as strongly as the settings demand.',
    mend: 'The person signs out at the provider and tries again. If it stays, the provider ignores how recent or how strong a sign-in is asked for: change its sign-in policy for this application.',
  },
  required_claim_differs: {
    what: 'The person belongs to another domain or tenant than the settings allow.',
    mend: 'If they should get in, add their domain or tenant to the settings. A private account at the same provider is refused on purpose.',
  },
  // A SAML message.
  saml_status: {
    what: 'The provider answered with an error instead of a sign-in.',
    mend: 'Look up the status at the provider. Most often the person is not assigned to the application there, or they pressed Cancel.',
  },
  saml_unsigned: {
    what: 'The provider’s message, or the part of it that counts, is not signed.',
    mend: 'Set the application at the provider to sign assertions, and responses where the settings here demand it.',
  },
  saml_signature: {
    what: 'The signature of the provider’s message is wrong, or made with a certificate that is not in the settings.',
    mend: 'The provider may have a new certificate: copy its metadata anew. If the certificates are the same, tell your security team.',
  },
  saml_signature_algorithm: {
    what: 'The message is signed in a way that is not accepted.',
    mend: 'Set the application at the provider to sign with SHA-256 (not SHA-1).',
  },
  saml_algorithm: {
    what: 'The message uses an algorithm that is not accepted.',
    mend: 'Set the application at the provider to SHA-256 (not SHA-1), with exclusive canonicalization.',
  },
  saml_reference: {
    what: 'The signature covers something else than the part of the message that counts.',
    mend: attack,
  },
  saml_structure: {
    what: 'The message is not built as SAML prescribes.',
    mend: `Compare the application’s settings at the provider with its page here. ${attack}`,
  },
  'saml_structure: encrypted': {
    what: 'The assertion is encrypted where it is not expected to be.',
    mend: 'Switch encryption of assertions off at the provider, or give it the certificate of the connection’s page.',
  },
  saml_xml: {
    what: 'The message is no XML that is safe to read.',
    mend: attack,
  },
  saml_encoding: {
    what: 'The message came in an encoding that cannot be read.',
    mend: attack,
  },
  saml_parameter_repeated: {
    what: 'One parameter of the message came twice.',
    mend: attack,
  },
  saml_message_missing: {
    what: 'The browser came back without a message from the provider.',
    mend: 'Set the application at the provider to send its response by HTTP POST to the address on the connection’s page.',
  },
  saml_response_missing: {
    what: 'The browser came back without a response from the provider.',
    mend: 'Set the application at the provider to send its response by HTTP POST to the address on the connection’s page.',
  },
  saml_issuer_mismatch: {
    what: 'The message comes from another provider than the settings name.',
    mend: 'Copy the provider’s entity id (issuer) anew, character for character, or load its metadata again.',
  },
  saml_audience: {
    what: 'The assertion was made for another application.',
    mend: 'Compare the audience (entity id) at the provider with the one on the connection’s page, character for character.',
  },
  saml_destination: {
    what: 'The message was meant for another address.',
    mend: 'Compare the ACS address at the provider with the one on the connection’s page, character for character.',
  },
  saml_recipient: {
    what: 'The assertion was meant for another address.',
    mend: 'Compare the ACS address (recipient) at the provider with the one on the connection’s page, character for character.',
  },
  saml_address: {
    what: 'An address in the message or the settings cannot be used.',
    mend: theirMetadata,
  },
  saml_in_response_to: {
    what: 'The message answers another sign-in than the one this browser had begun.',
    mend: attack,
  },
  saml_unsolicited: {
    what: 'The sign-in was begun at the provider, and this connection does not allow that.',
    mend: 'The person begins here. To let people begin at the provider’s portal, allow it on the connection’s page.',
  },
  saml_replay: {
    what: 'The same assertion came a second time.',
    mend: `A page may have been sent twice. ${attack}`,
  },
  saml_version: {
    what: 'The message is not SAML 2.0.',
    mend: 'Set the application at the provider to SAML 2.0.',
  },
  saml_not_before: {
    what: 'The assertion is not valid yet.',
    mend: 'The clock of the provider or of this server is wrong. Compare the clocks.',
  },
  saml_not_on_or_after: {
    what: 'The assertion had run out when it came, or is valid for far too long.',
    mend: 'The clock of the provider or of this server is wrong, or the person took very long. Sign in again; if it stays, compare the clocks.',
  },
  saml_issue_instant: {
    what: 'The message was made in the future, or too long ago.',
    mend: 'The clock of the provider or of this server is wrong. Compare the clocks.',
  },
  saml_instant: {
    what: 'A time in the message is no time.',
    mend: theirMetadata,
  },
  saml_authn_instant: {
    what: 'The message does not say when the person signed in, or says the future.',
    mend: 'The clock of the provider or of this server is wrong. Compare the clocks.',
  },
  saml_session_over: {
    what: 'The provider says that its own session had already ended.',
    mend: 'The person signs out at the provider and signs in again.',
  },
  saml_conditions: {
    what: 'The conditions of the assertion are missing or of a kind that is not understood.',
    mend: theirMetadata,
  },
  saml_authn_statement: {
    what: 'The assertion does not say that the person signed in.',
    mend: 'Set the provider to send exactly one authentication statement.',
  },
  saml_assertion_missing: {
    what: 'The message holds no assertion.',
    mend: 'Set the application at the provider to send a signed assertion.',
  },
  saml_assertion_count: {
    what: 'The message holds more than one assertion.',
    mend: attack,
  },
  saml_subject: {
    what: 'The assertion does not say whom it is about.',
    mend: 'Set the provider to send a persistent name id.',
  },
  saml_subject_attribute: {
    what: 'The attribute that names the person is missing, empty, or there more than once.',
    mend: 'Map that attribute at the provider to something stable, such as the employee number.',
  },
  saml_subject_confirmation: {
    what: 'The assertion is not one that a browser may bring.',
    mend: 'Set the application at the provider to web browser single sign-on (bearer).',
  },
  saml_name_id: {
    what: 'The name id is missing, empty or too long.',
    mend: 'Set the provider to send a persistent name id.',
  },
  saml_name_id_format: {
    what: 'The name id is of a kind that is another one at each sign-in.',
    mend: 'Set the name id format at the provider to persistent; or name an attribute that is stable in the settings.',
  },
  saml_name_qualifier: {
    what: 'The name id was made for another application or by another provider.',
    mend: 'Compare the entity ids at the provider with those on the connection’s page.',
  },
  saml_attribute_name: {
    what: 'An attribute has no name.',
    mend: theirMetadata,
  },
  saml_attribute_repeated: {
    what: 'One attribute is there several times.',
    mend: 'Send it once at the provider, with several values where there are several.',
  },
  saml_encryption: {
    what: 'The assertion is encrypted in a way, or for a key, that cannot be read here.',
    mend: 'Give the provider the certificate of the connection’s page, and choose AES-GCM with RSA-OAEP; or switch encryption off.',
  },
  saml_no_signing_key: {
    what: 'The connection has no key to sign its requests with.',
    mend: 'Make a key on the connection’s page, or switch the signing of requests off.',
  },
  // An interface of the provider that says who somebody is.
  membership: {
    what: 'The provider did not tell whether the person is a member of the organization that the settings ask for.',
    mend: 'Sign in again in a while: some providers answer like this when they are asked too often. If it stays, check at the provider that the organization lets this application read memberships.',
  },
  'membership: not a member': {
    what: 'The person is not an active member of the group or organization at the provider that the settings ask for.',
    mend: 'Add them there, or have them accept the invitation there. If the group or organization was renamed, change its name in the settings.',
  },
  groups: {
    what: 'The provider did not tell which groups the person is in, and the settings ask for one.',
    mend: 'Check at the provider that the application may read groups, and in the settings that the claim is named as the provider names it.',
  },
  user: {
    what: 'The provider did not tell who the person is.',
    mend: 'Check at the provider what the application may read (its scopes).',
  },
  emails: {
    what: 'The provider did not tell the person’s addresses.',
    mend: 'Check at the provider what the application may read (its scopes).',
  },
  // The requests we make.
  discovery: {
    what: 'What the provider publishes about itself could not be used.',
    mend: theirMetadata,
  },
  'discovery: incomplete': {
    what: 'What the provider publishes about itself lacks an address that a sign-in needs.',
    mend: theirMetadata,
  },
  'discovery: issuer differs': {
    what: 'The provider publishes another issuer than the one in the settings.',
    mend: 'Copy the issuer exactly as the provider publishes it, also the slash at its end.',
  },
  token: {
    what: 'The provider refused to exchange the code for tokens, or answered with something else.',
    mend: 'Look at the provider’s own log of this application; the error above is its word for it.',
  },
  'token: invalid_client': {
    what: 'The provider does not accept the client id and secret.',
    mend: 'The secret may have run out or been replaced. Make a new one at the provider and enter it in the settings.',
  },
  'token: incorrect_client_credentials': {
    what: 'The provider does not accept the client id and secret.',
    mend: 'The secret may have been replaced. Make a new one at the provider and enter it in the settings.',
  },
  'token: unauthorized_client': {
    what: 'The application at the provider may not use the authorization code flow.',
    mend: 'Allow the grant type “authorization code” for the application at the provider.',
  },
  'token: invalid_grant': {
    what: 'The provider does not accept the code that it had given.',
    mend: 'Sign in again. If it stays, compare the redirect URI registered at the provider with the one on the connection’s page.',
  },
  'token: redirect_uri_mismatch': {
    what: 'The provider knows another redirect URI for this application.',
    mend: 'Register the redirect URI of the connection’s page at the provider.',
  },
  userinfo: {
    what: 'The provider did not tell who the person is at its UserInfo endpoint.',
    mend: theirMetadata,
  },
  'userinfo: no endpoint': {
    what: 'The provider has no UserInfo endpoint, and the settings ask for it.',
    mend: 'Switch “userinfo” off in the settings.',
  },
  'userinfo: sub differs': {
    what: 'The UserInfo endpoint told of another person than the ID token.',
    mend: attack,
  },
  // Where the person has to be let in.
  identity_unregistered: {
    what: 'The provider vouched for somebody who has no account here, and nobody new may join through this connection.',
    mend: 'Invite them, or change who may join on the connection’s page.',
  },
  not_registered: {
    what: 'A new person has to fill in a form first, and this browser never showed it.',
    mend: retry,
  },
  removed: {
    what: 'The person was removed from the organization.',
    mend: 'If they should come back, invite them.',
  },
  deactivated: {
    what: 'Your directory says that this person does not belong any more.',
    mend: 'Assign them to the application again at the provider. If the directory is wrong, let them in on the connection’s provisioning page.',
  },
  provisioned_elsewhere: {
    what: 'Your directory has one entry for this person, and it belongs to another account here.',
    mend: 'The person signs in to the account they had and links this sign-in there. If that account is gone, delete the entry in the directory and assign the person anew.',
  },
  account_deleted: {
    what: 'The person’s account was deleted.',
    mend: 'If they should come back, invite them; they get a new account.',
  },
  account_disabled: {
    what: 'The person’s account is suspended.',
    mend: 'Whoever runs this server can lift that.',
  },
  suspended: {
    what: 'The person’s account was suspended while they were signing in.',
    mend: 'Whoever runs this server can lift that.',
  },
  identity_conflict: {
    what: 'Somebody else was signed in in the same browser, and this sign-in is new here.',
    mend: 'The person signs out first and signs in again, or links the sign-in on their account page.',
  },
  user_mismatch: {
    what: 'Another person is signed in than the one who had begun.',
    mend: 'Begin again, and finish as the same person.',
  },
  not_authed: {
    what: 'Nobody was signed in any more when it should have been finished.',
    mend: 'Sign in and begin again.',
  },
  switched_meanwhile: {
    what: 'Another person had signed in in the same browser meanwhile.',
    mend: retry,
  },
  stayed_signed_in: {
    what: 'The person chose to stay signed in as somebody else.',
    mend: 'There is nothing to mend.',
  },
  guest_gone: {
    what: 'What the person had done as a guest was moved or deleted meanwhile.',
    mend: retry,
  },
  // The sign-in itself.
  expired: {
    what: 'The sign-in had taken more than ten minutes.',
    mend: retry,
  },
  consumed: {
    what: 'The sign-in had already been finished.',
    mend: 'A page was sent twice. There is nothing to mend.',
  },
  abandoned: {
    what: 'Another tab was finishing the same sign-in and never did.',
    mend: retry,
  },
  definition_changed: {
    what: 'The sign-in was changed meanwhile: new settings, or a new version of this server.',
    mend: retry,
  },
  config_changed: {
    what: 'The connection’s settings were changed while the person was signing in.',
    mend: retry,
  },
  connection_gone: {
    what: 'The connection was deleted while the person was signing in.',
    mend: 'They sign in through another one.',
  },
  connection_draft: {
    what: 'The connection is still being set up.',
    mend: 'Test it and switch it on.',
  },
  connection_tested: {
    what: 'The connection has been tested and is not in use yet.',
    mend: 'Switch it on.',
  },
  connection_disabled: {
    what: 'The connection is switched off.',
    mend: 'Switch it on, or tell people which other one to use.',
  },
  connection_settings: {
    what: 'The connection’s settings cannot be read.',
    mend: 'Enter them anew. If it stays, give whoever runs this server the reference.',
  },
  browser_mismatch: {
    what: 'The sign-in came back in another browser than the one it had begun in.',
    mend: 'The person begins and finishes in the same browser. If it happens often, somebody may be passing sign-in addresses on.',
  },
  browser_cookie_missing: {
    what: 'The browser sent none of our cookies when it came back.',
    mend: 'Cookies are blocked, or the sign-in had begun in another browser, such as one inside an app.',
  },
  foreign_attempts: {
    what: 'Other browsers had tried to finish this sign-in several times, so it was ended.',
    mend: attack,
  },
  org_mismatch: {
    what: 'The sign-in came back to another connection’s address than the one it had begun at.',
    mend: 'Compare the redirect URI at the provider with the one on the connection’s page: each connection has its own.',
  },
  kind_mismatch: {
    what: 'The browser came back to one thing with the answer to another.',
    mend: retry,
  },
  step_mismatch: {
    what: 'The browser came to a step whose turn it was not.',
    mend: retry,
  },
  ended_by_operator: {
    what: 'Whoever runs this server ended all sign-ins that were under way.',
    mend: retry,
  },
  redirect_scheme: {
    what: 'The provider’s sign-in address is neither http nor https.',
    mend: theirMetadata,
  },
  unhandled: { what: 'Something went wrong on our side.', mend: ours },
}

/** What goes wrong with a request of ours, whatever was asked for. */
const faults: readonly { readonly ends: RegExp; readonly explanation: Explanation }[] = [
  {
    ends: /: egress_(timeout|failed|busy)$/,
    explanation: { what: 'The provider did not answer.', mend: noAnswer },
  },
  {
    ends: /: status (429|5\d\d)$/,
    explanation: {
      what: 'The provider answered that it cannot work at the moment.',
      mend: noAnswer,
    },
  },
  {
    ends: /: egress_blocked$/,
    explanation: {
      what: 'The provider’s address is inside a private network, or is not https.',
      mend: 'Give a public https address. Whoever runs this server can open a private one (SALLYPORT_EGRESS_ALLOW).',
    },
  },
  {
    ends: /: egress_redirect$/,
    explanation: {
      what: 'The provider sent our request on to another address, which is not followed.',
      mend: 'Enter the address that it leads to.',
    },
  },
  {
    ends: /: egress_too_large$/,
    explanation: { what: 'The provider’s answer was far too large.', mend: theirMetadata },
  },
  {
    ends: /^provider_error: (temporarily_unavailable|server_error)\b/,
    explanation: { what: 'The provider says that it cannot work at the moment.', mend: noAnswer },
  },
]

const unknown: Explanation = {
  what: 'The sign-in was refused.',
  mend: 'Sign in again. If it stays, give whoever runs this server the reference.',
}

/** What a reason means and what to do about it: by its whole name, by a fault of the request, by its beginning. */
export function explain(reason: string): Explanation {
  const named = Object.hasOwn(explanations, reason) ? explanations[reason] : undefined
  return (
    named ??
    faults.find(({ ends }) => ends.test(reason))?.explanation ??
    beginningOf(reason) ??
    unknown
  )
}

/** Whether a reason has words of its own, rather than the ones for whatever is not known. */
export function isExplained(reason: string): boolean {
  return explain(reason) !== unknown
}

function beginningOf(reason: string): Explanation | undefined {
  const cut = reason.lastIndexOf(': ')
  if (cut < 0) return undefined
  const beginning = reason.slice(0, cut)
  return Object.hasOwn(explanations, beginning) ? explanations[beginning] : beginningOf(beginning)
}
