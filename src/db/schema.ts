// Made by `npm run schema` from the migrations. Do not edit.
import type { ColumnType, Generated } from 'kysely'

/** Read as parsed JSON, written as its text. */
export type Json = ColumnType<unknown, string, string>
export type JsonWithDefault = ColumnType<unknown, string | undefined, string>

export interface Attempts {
  id: string
  flow_id: string | null
  organization_id: string
  connection_id: string | null
  kind: string
  outcome: string
  reason: string | null
  trace: JsonWithDefault
  user_id: string | null
  at: Date
}

export interface AuditEvents {
  id: string
  action: string
  outcome: string
  organization_id: string | null
  actor_id: string | null
  target: string | null
  data: JsonWithDefault
  request_id: string | null
  at: Date
}

export interface AuditHead {
  singleton: Generated<boolean>
  n: string
  hash: Buffer
}

export interface AuditLinks {
  n: string
  event_id: string
  hash: Buffer
}

export interface AuditUnlinked {
  seq: Generated<string>
  event_id: string
}

export interface ConnectionChecks {
  connection_id: string
  paid_until: Date
  failures: Generated<number>
  failing_since: Date | null
  failing_reason: string | null
  misconfigured_since: Date | null
  misconfigured_reason: string | null
  braked_since: Date | null
  brake_lifted_until: Date | null
  unrotated: Generated<number>
}

export interface ConnectionLockouts {
  id: string
  connection_id: string
  found_by: string
  milliseconds: number
  at: Date
}

export interface ConnectionVerdicts {
  connection_id: string
  at: Date
  verdict: string
  count: number
}

export interface ConnectionVersions {
  connection_id: string
  version: number
  settings: Buffer
  saved_by: string | null
  saved_at: Date
  answers: Buffer | null
  published: Json | null
}

export interface Connections {
  id: string
  organization_id: string
  kind: string
  name: string
  settings: Buffer
  config_version: Generated<number>
  state: Generated<string>
  provisioning: Generated<string>
  deleted_at: Date | null
  created_at: Date
  preset: string | null
  tested_version: number | null
  role_rules: JsonWithDefault
  idp_initiated: Generated<boolean>
  disabled_at: Date | null
  tested_at: Date | null
  check_every_minutes: Generated<number>
  outage_budget_minutes: Generated<number>
  outage_policy: Generated<string>
  checks_per_second: Generated<number>
  checks_burst: Generated<number>
  scim_since: Date | null
  scim_match: Generated<string>
  frontchannel_logout: Generated<boolean>
  sign_out_there: Generated<boolean>
  secret_ends_at: Date | null
}

export interface Domains {
  id: string
  organization_id: string
  domain: string
  token: string
  connection_id: string | null
  verified_at: Date | null
  last_proved_at: Date | null
  check_at: Date | null
  missing_since: Date | null
  warned_at: Date | null
  created_at: Date
}

export interface Flows {
  id: string
  handle_hash: Buffer
  browser_hash: Buffer
  kind: string
  organization_id: string | null
  connection_id: string | null
  config_version: number | null
  signature: string
  version: Generated<number>
  data: Buffer
  idle_ends_at: Date
  absolute_ends_at: Date
  claimed_at: Date | null
  consumed_at: Date | null
  outcome: Json | null
  foreign_attempts: Generated<number>
  created_at: Date
  user_id: string | null
}

export interface Identities {
  id: string
  connection_id: string
  issuer: string
  subject: string
  user_id: string
  claims: JsonWithDefault
  linked_at: Date
  last_verified_at: Date
  granted: Buffer | null
  grant_version: Generated<number>
  refresh_intent: Date | null
  rung: string | null
  check_at: Date | null
  lease: string | null
  verdict: string | null
  verdict_reason: string | null
  verdict_at: Date | null
  failing_since: Date | null
  failures: Generated<number>
  held: Generated<boolean>
  signal_disabled_at: Date | null
  signal_disabled_by: string | null
  signal_at: Date | null
  signed_in_at: Generated<Date>
  leaving_at: Date | null
  granted_under: number | null
}

export interface Instance {
  singleton: Generated<boolean>
  purpose: string
  marked_at: Date
}

export interface Invitations {
  id: string
  organization_id: string
  address: string
  folded: string
  role: string
  token_hash: Buffer
  invited_by: string | null
  expires_at: Date
  accepted_at: Date | null
  accepted_by: string | null
  withdrawn_at: Date | null
  created_at: Date
}

export interface KnownBrowsers {
  id: string
  user_id: string
  browser_hash: Buffer
  seen_at: Date
}

export interface Memberships {
  id: string
  organization_id: string
  user_id: string
  role: string
  link_state: Generated<string>
  link_reason: string | null
  link_since: Date
  removed_at: Date | null
  role_from: Generated<string>
  removed_reason: string | null
}

export interface Nodes {
  id: string
  at: Date
  position: string
}

export interface Organizations {
  id: string
  slug: string
  name: string
  default_role: Generated<string>
  deleted_at: Date | null
  created_at: Date
  idle_minutes: number | null
  absolute_minutes: number | null
  keep_signed_in: Generated<boolean>
  reauth_minutes: number | null
  sso_required_since: Date | null
  check_at_most_minutes: Generated<number>
  keep_identities_days: Generated<number>
}

export interface Passkeys {
  id: string
  user_id: string
  credential_id: Buffer
  public_key: Buffer
  sign_count: string
  transports: Generated<string[]>
  backed_up: boolean
  name: string
  created_at: Date
  last_used_at: Date | null
}

export interface RateLimits {
  key: string
  used: number
  until: Date
}

export interface RecoveryCodes {
  id: string
  organization_id: string
  user_id: string
  code_hash: Buffer
  created_at: Date
  used_at: Date | null
}

export interface RecurringJobs {
  name: string
  began_at: Date
}

export interface RevocationHead {
  singleton: Generated<boolean>
  id: string
}

export interface Revocations {
  id: string
  kind: string
  target: string | null
  at: Date
}

export interface SamlUpkeep {
  connection_id: string
  check_at: Date
  read_at: Date | null
  problem: string | null
  follow: Generated<boolean>
  published: JsonWithDefault
}

export interface ScimGroupMembers {
  group_id: string
  scim_user_id: string
}

export interface ScimGroups {
  id: string
  connection_id: string
  display_name: string
  folded: string
  external_id: string | null
  version: Generated<number>
  created_at: Date
  changed_at: Date
}

export interface ScimTokens {
  id: string
  connection_id: string
  token_hash: Buffer
  created_by: string | null
  created_at: Date
  expires_at: Date
  revoked_at: Date | null
  last_used_at: Date | null
}

export interface ScimUsers {
  id: string
  connection_id: string
  user_name: string
  folded: string
  external_id: string | null
  subject: string | null
  active: boolean
  attributes: JsonWithDefault
  user_id: string | null
  overruled_at: Date | null
  version: Generated<number>
  created_at: Date
  changed_at: Date
  deleted_at: Date | null
}

export interface SessionProofs {
  session_id: string
  organization_id: string
  connection_id: string | null
  identity_id: string | null
  config_version: number | null
  authenticated_at: Date
  acr: string | null
  amr: string[] | null
  provider_session: string | null
  not_on_or_after: Date | null
  proved_at: Date
  last_seen_at: Date
  name_id: string | null
  id_token_hint: Buffer | null
}

export interface Sessions {
  id: string
  token_hash: Buffer
  user_id: string
  kind: string
  browser_hash: Buffer | null
  flow_id: string | null
  rotated_from: string | null
  device: Generated<string>
  address: string | null
  authenticated_at: Date
  last_seen_at: Date
  idle_ends_at: Date
  absolute_ends_at: Date
  revoked_at: Date | null
  revoked_reason: string | null
  created_at: Date
  personal_method: string | null
  offered_guest_id: string | null
  kept: Generated<boolean>
  locked_at: Date | null
  challenged_at: Date | null
  passkey_id: string | null
  personal_until: Date | null
  personal_since: Date | null
}

export interface SetupLinks {
  id: string
  organization_id: string
  connection_id: string | null
  token_hash: Buffer
  created_by: string | null
  expires_at: Date
  withdrawn_at: Date | null
  created_at: Date
  tested_at: Date | null
}

export interface SignalStreams {
  connection_id: string
  settings: Buffer
  issuer: string
  stream_id: string
  audience: string[]
  delivery: string
  push_hash: Buffer | null
  status: Generated<string>
  status_reason: string | null
  awaited_hash: Buffer | null
  asked_at: Date | null
  verified_at: Date | null
  last_event: string | null
  last_event_at: Date | null
  failing_since: Date | null
  failing_reason: string | null
  due_at: Date
  created_at: Date
}

export interface SsoExemptions {
  session_id: string
  organization_id: string
  user_id: string
  until: Date
}

export interface UsedOnce {
  kind: string
  scope: string
  id: string
  until: Date
}

export interface UserEmails {
  user_id: string
  address: string
  folded: string
  verified_at: Date | null
  is_primary: Generated<boolean>
}

export interface Users {
  id: string
  name: string
  kind: string
  suspended_at: Date | null
  merged_into: string | null
  deleted_at: Date | null
  created_at: Date
  synthetic: Generated<boolean>
}

export interface WebhookDeliveries {
  id: string
  organization_id: string
  event: string
  body: string
  state: string
  tries: Generated<number>
  answer: string | null
  tried_at: Date | null
  created_at: Date
}

export interface Webhooks {
  organization_id: string
  url: string
  secret: Buffer
  created_at: Date
}

export interface DB {
  attempts: Attempts
  audit_events: AuditEvents
  audit_head: AuditHead
  audit_links: AuditLinks
  audit_unlinked: AuditUnlinked
  connection_checks: ConnectionChecks
  connection_lockouts: ConnectionLockouts
  connection_verdicts: ConnectionVerdicts
  connection_versions: ConnectionVersions
  connections: Connections
  domains: Domains
  flows: Flows
  identities: Identities
  instance: Instance
  invitations: Invitations
  known_browsers: KnownBrowsers
  memberships: Memberships
  nodes: Nodes
  organizations: Organizations
  passkeys: Passkeys
  rate_limits: RateLimits
  recovery_codes: RecoveryCodes
  recurring_jobs: RecurringJobs
  revocation_head: RevocationHead
  revocations: Revocations
  saml_upkeep: SamlUpkeep
  scim_group_members: ScimGroupMembers
  scim_groups: ScimGroups
  scim_tokens: ScimTokens
  scim_users: ScimUsers
  session_proofs: SessionProofs
  sessions: Sessions
  setup_links: SetupLinks
  signal_streams: SignalStreams
  sso_exemptions: SsoExemptions
  used_once: UsedOnce
  user_emails: UserEmails
  users: Users
  webhook_deliveries: WebhookDeliveries
  webhooks: Webhooks
}
