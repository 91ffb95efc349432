import { healthz, readyz, version } from './api/health.ts'
import { me } from './api/me.ts'
import {
  endConnectionSessions,
  endOrganizationSessions,
  endPersonSessions,
  listOrganizationSessions,
} from './api/organization-sessions.ts'
import { listOrganizationMembers } from './api/organization-members.ts'
import { readSaml } from './api/organization-saml.ts'
import { backchannelLogout, logoutTokenLimit } from './api/backchannel-logout.ts'
import { receiveSignals } from './api/signals.ts'
import { scimRoutes } from './api/scim.ts'
import { verify } from './api/verify.ts'
import type { Route } from './http/exchange.ts'
import { account, endAllSessions, endOtherSessions, endSession } from './web/account.ts'
import { answerClaim, claim } from './web/claim.ts'
import { becomeGuest } from './web/guest.ts'
import { confirmVerification, openVerification, verifyOwnAddress } from './web/addresses.ts'
import { findSignIn } from './web/find-sign-in.ts'
import { home } from './web/home.ts'
import { forget, login, loginOrganization } from './web/login.ts'
import { dropIdentity, oneIdentity } from './web/identities.ts'
import { acceptOwnInvitation, openInvitation } from './web/invitation.ts'
import { interrupted } from './web/interrupted.ts'
import {
  askRemoveDomain,
  checkOwnDomain,
  claimOwnDomain,
  oneDomain,
  organizationDomains,
  removeOwnDomain,
  routeOwnDomain,
} from './web/organization-domains.ts'
import { newRecoveryCodes, recoveryCodes } from './web/organization-recovery.ts'
import { confirmRequirement, requirement, setRequirement } from './web/organization-requirement.ts'
import { askRecovery, finishRecovery } from './web/recovery.ts'
import { icon, iconPath } from './web/logo.ts'
import { confirmLogout, loggedOut, logout } from './web/logout.ts'
import {
  connectionSettings,
  oneConnection,
  ownTestedIdentity,
  saveConnectionSettings,
  testConnection,
  testedConnection,
} from './web/organization-connection.ts'
import {
  activateConnection,
  askDelete,
  askDisable,
  deleteConnection,
  disableConnection,
  enableConnection,
  makeSetupLink,
  peopleOfConnection,
  renameOwnConnection,
  useTestedVersion,
  withdrawOwnLink,
} from './web/organization-connection-acts.ts'
import { newConnection, organizationConnections } from './web/organization-connections.ts'
import {
  askLift,
  checkConnectionNow,
  connectionHealth,
  liftOwnBrake,
  organizationHealth,
} from './web/organization-health.ts'
import {
  askRemoveWebhook,
  organizationAlarms,
  removeOwnWebhook,
  setOwnWebhook,
  testWebhook,
} from './web/organization-alarms.ts'
import { setSecretEnd } from './web/organization-secret.ts'
import { setChecking, setCheckingPolicy } from './web/organization-verification.ts'
import { saveSetupSettings, setup, setupSettings, testedSetup, testSetup } from './web/setup.ts'
import { organizationSignIn, organizationSignIns } from './web/organization-sign-ins.ts'
import {
  answerLink,
  answerQuestion,
  callback,
  linkQuestion,
  question,
  register,
  registration,
  start,
  startLink,
} from './web/sso.ts'
import {
  invite,
  inviteAgain,
  organizationInvitations,
  withdrawInvited,
} from './web/organization-invitations.ts'
import {
  askRemoval,
  changeMemberRole,
  organizationMember,
  removeFromOrganization,
} from './web/organization-member.ts'
import { organizationMembers, remindUnlinked } from './web/organization-members.ts'
import { askToLeave, leaveOrganization } from './web/leave.ts'
import { downloadAudit, organizationAudit } from './web/organization-audit.ts'
import { makeOrganization, newOrganization } from './web/organization-new.ts'
import {
  organizationPolicy,
  rename,
  setMemberPolicy,
  setSessionPolicy,
} from './web/organization-policy.ts'
import {
  changeJoining,
  connectionJoining,
  organizationJoining,
} from './web/organization-joining.ts'
import {
  askSwitchOff,
  letInAnyway,
  makeScimToken,
  organizationProvisioning,
  setProvisioning,
  withdrawToken,
} from './web/organization-provisioning.ts'
import { organizationOverview } from './web/organization-overview.ts'
import { endSessionsOfOrganization, organizationSessions } from './web/organization-sessions.ts'
import { askAddress, finishLink, openLink, sendLink } from './web/mail-login.ts'
import { askPasskey, finishPasskey, startPasskey } from './web/passkey-login.ts'
import { passkeyScript, passkeyScriptPath } from './web/passkey-script.ts'
import { addPasskey, dropPasskey, nameOwnPasskey, newPasskey, onePasskey } from './web/passkeys.ts'
import { askToStart, receiveResponse, responseLimit } from './web/saml.ts'
import { leaveScript, leaveScriptPath } from './web/leave-by-form.ts'
import { hearByPost, hearByRedirect, ownMetadata } from './web/saml-messages.ts'
import { askSaml, changeSaml, organizationSaml } from './web/organization-saml.ts'
import { askSignals, changeSignals, organizationSignals } from './web/organization-signals.ts'
import { frontchannelLogout } from './web/frontchannel-logout.ts'
import { style, stylesheetPath } from './web/style.ts'
import { tabsScript, tabsScriptPath } from './web/tabs.ts'

const read = { method: 'GET', csrf: 'none', body: 'none' } as const
const act = { method: 'POST', csrf: 'same-origin', body: 'form' } as const

/** The largest form of settings, in bytes: the metadata of a provider may be pasted into it. */
const settingsLimit = 512 * 1024

/** Every endpoint, and who may call it. What is not here does not exist. */
export const routes: readonly Route[] = [
  { ...read, path: '/', access: 'public', endpoint: home },
  { ...read, path: '/login', access: 'public', hint: true, endpoint: login },
  { ...read, path: '/login/mail', access: 'public', endpoint: askAddress },
  { ...act, path: '/login/mail', access: 'public', endpoint: sendLink },
  { ...read, path: '/login/mail/:handle', access: 'public', endpoint: openLink },
  { ...act, path: '/login/mail/:handle', access: 'public', endpoint: finishLink },
  { ...act, path: '/login/passkey', access: 'public', endpoint: startPasskey },
  { ...read, path: '/login/passkey/finish', access: 'public', endpoint: askPasskey },
  { ...act, path: '/login/passkey/finish', access: 'public', endpoint: finishPasskey },
  { ...read, path: '/login/:org', access: 'public', hint: true, endpoint: loginOrganization },
  { ...read, path: '/recover/:org', access: 'public', endpoint: askRecovery },
  {
    ...act,
    path: '/recover/:org',
    access: 'recent',
    doing: 'Get in with a recovery code',
    endpoint: finishRecovery,
  },
  { ...act, path: '/login/find', access: 'public', endpoint: findSignIn },
  { ...act, path: '/login/forget', access: 'public', endpoint: forget },
  { ...act, path: '/sso/:connection/start', access: 'public', endpoint: start },
  { ...read, path: '/sso/:connection/start', access: 'public', endpoint: askToStart },
  {
    method: 'POST',
    csrf: 'none',
    body: 'form',
    limit: responseLimit,
    crossSite: true,
    path: '/sso/:connection/acs',
    access: 'public',
    endpoint: receiveResponse,
  },
  {
    method: 'POST',
    csrf: 'none',
    body: 'form',
    limit: logoutTokenLimit,
    crossSite: true,
    path: '/sso/:connection/backchannel-logout',
    access: 'public',
    endpoint: backchannelLogout,
  },
  {
    ...read,
    path: '/sso/:connection/frontchannel-logout',
    access: 'public',
    endpoint: frontchannelLogout,
  },
  {
    method: 'POST',
    csrf: 'none',
    body: 'none',
    crossSite: true,
    path: '/ssf/:connection',
    access: 'public',
    endpoint: receiveSignals,
  },
  { ...read, path: '/sso/:connection/metadata', access: 'public', endpoint: ownMetadata },
  {
    ...read,
    crossSite: true,
    path: '/sso/:connection/slo',
    access: 'public',
    endpoint: hearByRedirect,
  },
  {
    method: 'POST',
    csrf: 'none',
    body: 'form',
    limit: responseLimit,
    crossSite: true,
    path: '/sso/:connection/slo',
    access: 'public',
    endpoint: hearByPost,
  },
  { ...read, path: '/sso/:connection/callback', access: 'public', endpoint: callback },
  { ...read, path: '/sso/:connection/continue', access: 'public', endpoint: question },
  { ...act, path: '/sso/:connection/continue', access: 'public', endpoint: answerQuestion },
  {
    ...act,
    path: '/sso/:connection/link',
    access: 'recent',
    doing: 'Link one more sign-in to your account',
    endpoint: startLink,
  },
  { ...read, path: '/link', access: 'public', endpoint: linkQuestion },
  {
    ...act,
    path: '/link',
    access: 'public',
    doing: 'Link this sign-in to your account',
    endpoint: answerLink,
  },
  { ...read, path: '/register', access: 'public', endpoint: registration },
  { ...act, path: '/register', access: 'public', endpoint: register },
  { ...act, path: '/guest', access: 'public', endpoint: becomeGuest },
  { ...read, path: '/claim', access: 'user', endpoint: claim },
  { ...act, path: '/claim', access: 'user', endpoint: answerClaim },
  { ...read, path: '/logout', access: 'public', endpoint: confirmLogout },
  { ...act, path: '/logout', access: 'public', endpoint: logout },
  { ...read, path: '/logout/done', access: 'public', endpoint: loggedOut },
  { ...read, path: '/interrupted', access: 'user', endpoint: interrupted },
  { ...read, path: '/account', access: 'user', endpoint: account },
  {
    ...act,
    path: '/account/sessions/end-others',
    access: 'recent',
    doing: 'End all your other sessions',
    endpoint: endOtherSessions,
  },
  {
    ...act,
    path: '/account/sessions/end-all',
    access: 'recent',
    doing: 'End all your sessions, this one too',
    endpoint: endAllSessions,
  },
  {
    ...act,
    path: '/account/sessions/:session/end',
    access: 'user',
    doing: 'End one of your sessions',
    endpoint: endSession,
  },
  { ...read, path: '/organizations/new', access: 'user', endpoint: newOrganization },
  {
    ...act,
    path: '/organizations',
    access: 'recent',
    doing: 'Make an organization',
    endpoint: makeOrganization,
  },
  {
    ...read,
    path: '/account/organizations/:organization/leave',
    access: 'user',
    endpoint: askToLeave,
  },
  {
    ...act,
    path: '/account/organizations/:organization/leave',
    access: 'recent',
    doing: 'Leave an organization',
    endpoint: leaveOrganization,
  },
  { ...read, path: '/organizations/:org/policy', access: 'user', endpoint: organizationPolicy },
  {
    ...act,
    path: '/organizations/:org/policy/sessions',
    access: 'recent',
    doing: 'Change how long sessions last',
    endpoint: setSessionPolicy,
  },
  {
    ...act,
    path: '/organizations/:org/policy/members',
    access: 'recent',
    doing: 'Change what new members become',
    endpoint: setMemberPolicy,
  },
  {
    ...act,
    path: '/organizations/:org/policy/verification',
    access: 'recent',
    doing: 'Change how often people are asked about',
    endpoint: setCheckingPolicy,
  },
  {
    ...act,
    path: '/organizations/:org/policy/name',
    access: 'recent',
    doing: 'Change the organization’s name',
    endpoint: rename,
  },
  { ...read, path: '/organizations/:org/audit', access: 'user', endpoint: organizationAudit },
  {
    ...read,
    path: '/organizations/:org/audit/events.jsonl',
    access: 'recent',
    endpoint: downloadAudit,
  },
  {
    ...read,
    path: '/api/organizations/:org/members',
    access: 'user',
    endpoint: listOrganizationMembers,
  },
  { ...read, path: '/organizations/:org', access: 'user', endpoint: organizationOverview },
  { ...read, path: '/organizations/:org/requirement', access: 'user', endpoint: requirement },
  {
    ...read,
    path: '/organizations/:org/requirement/confirm',
    access: 'user',
    endpoint: confirmRequirement,
  },
  {
    ...act,
    path: '/organizations/:org/requirement',
    access: 'recent',
    doing: 'Change which sign-in your organization requires',
    endpoint: setRequirement,
  },
  { ...read, path: '/organizations/:org/recovery', access: 'user', endpoint: recoveryCodes },
  {
    ...act,
    path: '/organizations/:org/recovery',
    access: 'recent',
    doing: 'Make new recovery codes',
    endpoint: newRecoveryCodes,
  },
  {
    ...read,
    path: '/organizations/:org/domains',
    access: 'user',
    endpoint: organizationDomains,
  },
  {
    ...act,
    path: '/organizations/:org/domains',
    access: 'recent',
    doing: 'Add a domain to your organization',
    endpoint: claimOwnDomain,
  },
  { ...read, path: '/organizations/:org/domains/:domain', access: 'user', endpoint: oneDomain },
  {
    ...act,
    path: '/organizations/:org/domains/:domain/check',
    access: 'user',
    doing: 'Check a domain of your organization',
    endpoint: checkOwnDomain,
  },
  {
    ...act,
    path: '/organizations/:org/domains/:domain/route',
    access: 'recent',
    doing: 'Say how people of a domain sign in',
    endpoint: routeOwnDomain,
  },
  {
    ...read,
    path: '/organizations/:org/domains/:domain/remove',
    access: 'user',
    endpoint: askRemoveDomain,
  },
  {
    ...act,
    path: '/organizations/:org/domains/:domain/remove',
    access: 'recent',
    doing: 'Remove a domain of your organization',
    endpoint: removeOwnDomain,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/saml',
    access: 'user',
    endpoint: organizationSaml,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/saml/:act',
    access: 'user',
    endpoint: askSaml,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/saml/:act',
    access: 'recent',
    doing: 'Change the keys or certificates of a connection',
    endpoint: changeSaml,
  },
  {
    ...read,
    path: '/api/organizations/:org/connections/:connection/saml',
    access: 'user',
    endpoint: readSaml,
  },
  { ...read, path: '/organizations/:org/members', access: 'user', endpoint: organizationMembers },
  {
    ...act,
    path: '/organizations/:org/members/remind',
    access: 'recent',
    doing: 'Mail members whose account is not linked',
    endpoint: remindUnlinked,
  },
  {
    ...read,
    path: '/organizations/:org/members/:person',
    access: 'user',
    endpoint: organizationMember,
  },
  {
    ...act,
    path: '/organizations/:org/members/:person/role',
    access: 'recent',
    doing: 'Change a member’s role',
    endpoint: changeMemberRole,
  },
  {
    ...read,
    path: '/organizations/:org/members/:person/remove',
    access: 'user',
    endpoint: askRemoval,
  },
  {
    ...act,
    path: '/organizations/:org/members/:person/remove',
    access: 'recent',
    doing: 'Remove a member',
    endpoint: removeFromOrganization,
  },
  { ...read, path: '/organizations/:org/health', access: 'user', endpoint: organizationHealth },
  {
    ...read,
    path: '/organizations/:org/health/:connection',
    access: 'user',
    endpoint: connectionHealth,
  },
  {
    ...act,
    path: '/organizations/:org/health/:connection/check',
    access: 'recent',
    doing: 'Ask about people now',
    endpoint: checkConnectionNow,
  },
  {
    ...read,
    path: '/organizations/:org/health/:connection/lift',
    access: 'recent',
    endpoint: askLift,
  },
  {
    ...act,
    path: '/organizations/:org/health/:connection/lift',
    access: 'recent',
    doing: 'Carry the held verdicts out',
    endpoint: liftOwnBrake,
  },
  { ...read, path: '/organizations/:org/alarms', access: 'user', endpoint: organizationAlarms },
  {
    ...act,
    path: '/organizations/:org/alarms',
    access: 'recent',
    doing: 'Have alarms posted to a webhook',
    endpoint: setOwnWebhook,
  },
  {
    ...act,
    path: '/organizations/:org/alarms/test',
    access: 'recent',
    doing: 'Post a test message to the webhook',
    endpoint: testWebhook,
  },
  {
    ...read,
    path: '/organizations/:org/alarms/remove',
    access: 'user',
    endpoint: askRemoveWebhook,
  },
  {
    ...act,
    path: '/organizations/:org/alarms/remove',
    access: 'recent',
    doing: 'Post alarms to the webhook no more',
    endpoint: removeOwnWebhook,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/secret-end',
    access: 'recent',
    doing: 'Note when the client secret runs out',
    endpoint: setSecretEnd,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/verification',
    access: 'recent',
    doing: 'Change how people are asked about',
    endpoint: setChecking,
  },
  { ...read, path: '/organizations/:org/joining', access: 'user', endpoint: organizationJoining },
  {
    ...read,
    path: '/organizations/:org/joining/:connection',
    access: 'user',
    endpoint: connectionJoining,
  },
  {
    ...act,
    path: '/organizations/:org/joining/:connection',
    access: 'recent',
    doing: 'Change who may join through a connection',
    endpoint: changeJoining,
  },
  {
    ...read,
    path: '/organizations/:org/invitations',
    access: 'user',
    endpoint: organizationInvitations,
  },
  {
    ...act,
    path: '/organizations/:org/invitations',
    access: 'recent',
    doing: 'Invite somebody to your organization',
    endpoint: invite,
  },
  {
    ...act,
    path: '/organizations/:org/invitations/:invitation/again',
    access: 'recent',
    doing: 'Send an invitation again',
    endpoint: inviteAgain,
  },
  {
    ...act,
    path: '/organizations/:org/invitations/:invitation/withdraw',
    access: 'recent',
    doing: 'Withdraw an invitation',
    endpoint: withdrawInvited,
  },
  {
    ...read,
    path: '/organizations/:org/sessions',
    access: 'recent',
    endpoint: organizationSessions,
  },
  {
    ...act,
    path: '/organizations/:org/sessions/end',
    access: 'recent',
    doing: 'End sessions of your organization',
    endpoint: endSessionsOfOrganization,
  },
  {
    ...read,
    path: '/organizations/:org/connections',
    access: 'recent',
    endpoint: organizationConnections,
  },
  {
    ...act,
    path: '/organizations/:org/connections',
    access: 'recent',
    doing: 'Connect a provider',
    endpoint: newConnection,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection',
    access: 'recent',
    endpoint: oneConnection,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/signals',
    access: 'recent',
    endpoint: organizationSignals,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/signals/:act',
    access: 'recent',
    endpoint: askSignals,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/signals/:act',
    access: 'recent',
    doing: 'Change what a provider tells us unasked',
    endpoint: changeSignals,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/settings',
    access: 'recent',
    endpoint: connectionSettings,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/settings',
    access: 'recent',
    doing: 'Save the settings of a connection',
    limit: settingsLimit,
    endpoint: saveConnectionSettings,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/test',
    access: 'recent',
    doing: 'Test a connection',
    endpoint: testConnection,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/test',
    access: 'recent',
    endpoint: testedConnection,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/test/own',
    access: 'recent',
    doing: 'Link a tested sign-in to your account',
    endpoint: ownTestedIdentity,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/activate',
    access: 'recent',
    doing: 'Switch a connection on',
    endpoint: activateConnection,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/enable',
    access: 'recent',
    doing: 'Switch a connection on again',
    endpoint: enableConnection,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/disable',
    access: 'recent',
    endpoint: askDisable,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/disable',
    access: 'recent',
    doing: 'Switch a connection off',
    endpoint: disableConnection,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/delete',
    access: 'recent',
    endpoint: askDelete,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/delete',
    access: 'recent',
    doing: 'Delete a connection',
    endpoint: deleteConnection,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/people',
    access: 'recent',
    endpoint: peopleOfConnection,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/rename',
    access: 'recent',
    doing: 'Rename a connection',
    endpoint: renameOwnConnection,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/versions',
    access: 'recent',
    doing: 'Use other settings of a connection',
    endpoint: useTestedVersion,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/links',
    access: 'recent',
    doing: 'Make a set-up link',
    endpoint: makeSetupLink,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/links/withdraw',
    access: 'recent',
    doing: 'Withdraw a set-up link',
    endpoint: withdrawOwnLink,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/provisioning',
    access: 'recent',
    endpoint: organizationProvisioning,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/provisioning',
    access: 'recent',
    doing: 'Change how your directory says who belongs',
    endpoint: setProvisioning,
  },
  {
    ...read,
    path: '/organizations/:org/connections/:connection/provisioning/off',
    access: 'recent',
    endpoint: askSwitchOff,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/provisioning/tokens',
    access: 'recent',
    doing: 'Make a token for your directory',
    endpoint: makeScimToken,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/provisioning/tokens/withdraw',
    access: 'recent',
    doing: 'Withdraw a token of your directory',
    endpoint: withdrawToken,
  },
  {
    ...act,
    path: '/organizations/:org/connections/:connection/provisioning/people/:entry/let-in',
    access: 'recent',
    doing: 'Let somebody in whom your directory has put out',
    endpoint: letInAnyway,
  },
  { ...read, path: '/setup/:token', access: 'public', endpoint: setup },
  { ...read, path: '/setup/:token/settings', access: 'public', endpoint: setupSettings },
  {
    ...act,
    path: '/setup/:token/settings',
    access: 'public',
    limit: settingsLimit,
    endpoint: saveSetupSettings,
  },
  { ...act, path: '/setup/:token/test', access: 'public', endpoint: testSetup },
  { ...read, path: '/setup/:token/test', access: 'public', endpoint: testedSetup },
  {
    ...read,
    path: '/organizations/:org/sign-ins',
    access: 'recent',
    endpoint: organizationSignIns,
  },
  {
    ...read,
    path: '/organizations/:org/sign-ins/:attempt',
    access: 'recent',
    endpoint: organizationSignIn,
  },
  {
    ...read,
    path: '/api/organizations/:org/sessions',
    access: 'recent',
    endpoint: listOrganizationSessions,
  },
  {
    ...act,
    body: 'none',
    path: '/api/organizations/:org/sessions/end',
    access: 'recent',
    endpoint: endOrganizationSessions,
  },
  {
    ...act,
    body: 'none',
    path: '/api/organizations/:org/people/:person/sessions/end',
    access: 'recent',
    endpoint: endPersonSessions,
  },
  {
    ...act,
    body: 'none',
    path: '/api/organizations/:org/connections/:connection/sessions/end',
    access: 'recent',
    endpoint: endConnectionSessions,
  },
  { ...read, path: '/me', access: 'guest', hint: false, cors: true, endpoint: me },
  { ...read, path: '/invitations/:token', access: 'public', endpoint: openInvitation },
  {
    ...act,
    path: '/invitations/:token',
    access: 'user',
    doing: 'Accept an invitation',
    endpoint: acceptOwnInvitation,
  },
  { ...read, path: '/account/identities/:identity', access: 'user', endpoint: oneIdentity },
  {
    ...act,
    path: '/account/identities/:identity/unlink',
    access: 'recent',
    doing: 'Unlink a sign-in from your account',
    endpoint: dropIdentity,
  },
  {
    ...act,
    path: '/account/addresses/verify',
    access: 'recent',
    doing: 'Verify an address of yours',
    endpoint: verifyOwnAddress,
  },
  { ...read, path: '/account/verify/:handle', access: 'user', endpoint: openVerification },
  { ...act, path: '/account/verify/:handle', access: 'user', endpoint: confirmVerification },
  {
    ...act,
    path: '/account/passkeys/new',
    access: 'recent',
    doing: 'Add a passkey',
    endpoint: newPasskey,
  },
  { ...act, path: '/account/passkeys', access: 'user', endpoint: addPasskey },
  { ...read, path: '/account/passkeys/:passkey', access: 'user', endpoint: onePasskey },
  { ...act, path: '/account/passkeys/:passkey/rename', access: 'user', endpoint: nameOwnPasskey },
  {
    ...act,
    path: '/account/passkeys/:passkey/remove',
    access: 'recent',
    doing: 'Remove a passkey of yours',
    endpoint: dropPasskey,
  },
  ...scimRoutes,
  { ...read, path: '/verify', access: 'public', endpoint: verify },
  { ...read, method: 'ALL', path: '/verify/envoy/*', access: 'public', endpoint: verify },
  { ...read, path: '/healthz', access: 'public', endpoint: healthz },
  { ...read, path: '/readyz', access: 'public', endpoint: readyz },
  { ...read, path: '/version', access: 'public', endpoint: version },
  { ...read, path: iconPath, access: 'public', endpoint: icon },
  { ...read, path: passkeyScriptPath, access: 'public', endpoint: passkeyScript },
  { ...read, path: leaveScriptPath, access: 'public', endpoint: leaveScript },
  { ...read, path: tabsScriptPath, access: 'public', endpoint: tabsScript },
  { ...read, path: stylesheetPath, access: 'public', endpoint: style },
]
