import { certificateExpiring } from './certificate-expiring.ts'
import { certificateWaiting } from './certificate-waiting.ts'
import { domainLost } from './domain-lost.ts'
import { domainMissing } from './domain-missing.ts'
import { connectionRemoved } from './connection-removed.ts'
import { invitation } from './invitation.ts'
import { accessEnded } from './access-ended.ts'
import { connectionAlarm } from './connection-alarm.ts'
import { identityLeaving } from './identity-leaving.ts'
import type { Mail } from './letter.ts'
import { linkAccount } from './link-account.ts'
import { metadataRefused } from './metadata-refused.ts'
import { newDevice } from './new-device.ts'
import { noAccount } from './no-account.ts'
import { ownerKept } from './owner-kept.ts'
import { recoveryCodeUsed } from './recovery-code-used.ts'
import { scimTokenExpiring } from './scim-token-expiring.ts'
import { secretExpiring } from './secret-expiring.ts'
import { sessionEnded } from './session-ended.ts'
import { signInLink } from './sign-in-link.ts'
import { verifyAddress } from './verify-address.ts'

/** Every mail there is. The keys are stable: mails wait in a queue under them. */
export const mails = {
  sign_in_link: signInLink,
  no_account: noAccount,
  verify_address: verifyAddress,
  new_device: newDevice,
  session_ended: sessionEnded,
  invitation,
  link_account: linkAccount,
  connection_removed: connectionRemoved,
  domain_missing: domainMissing,
  domain_lost: domainLost,
  certificate_expiring: certificateExpiring,
  certificate_waiting: certificateWaiting,
  metadata_refused: metadataRefused,
  access_ended: accessEnded,
  connection_alarm: connectionAlarm,
  owner_kept: ownerKept,
  identity_leaving: identityLeaving,
  secret_expiring: secretExpiring,
  scim_token_expiring: scimTokenExpiring,
  recovery_code_used: recoveryCodeUsed,
} as const

export type MailName = keyof typeof mails
export type MailData<Name extends MailName> = (typeof mails)[Name]['example']

/** The mail of that name, for those who do not know which it is. */
export function mailOf(name: MailName): Mail<unknown> {
  return mails[name] as Mail<unknown>
}
