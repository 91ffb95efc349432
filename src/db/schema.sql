create table attempts (
  id text not null,
  flow_id uuid,
  organization_id uuid not null,
  connection_id uuid,
  kind text not null,
  outcome text not null,
  reason text,
  trace jsonb not null default '[]'::jsonb,
  user_id uuid,
  at timestamp with time zone not null,
  constraint attempts_pkey PRIMARY KEY (id),
  constraint attempts_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint attempts_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint attempts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL,
  constraint attempts_kind_check CHECK ((kind = ANY (ARRAY['login'::text, 'link'::text, 'test'::text, 'setup'::text]))),
  constraint attempts_outcome_check CHECK ((outcome = ANY (ARRAY['ok'::text, 'refused'::text])))
);
CREATE INDEX attempts_at ON attempts USING btree (at);
CREATE INDEX attempts_flow ON attempts USING btree (flow_id);
CREATE INDEX attempts_organization ON attempts USING btree (organization_id, at DESC);

create table audit_events (
  id uuid not null,
  action text not null,
  outcome text not null,
  organization_id uuid,
  actor_id uuid,
  target text,
  data jsonb not null default '{}'::jsonb,
  request_id text,
  at timestamp with time zone not null,
  constraint audit_events_pkey PRIMARY KEY (id),
  constraint audit_events_outcome_check CHECK ((outcome = ANY (ARRAY['ok'::text, 'deny'::text])))
);
CREATE INDEX audit_events_organization ON audit_events USING btree (organization_id, at);
CREATE TRIGGER audit_events_are_final BEFORE DELETE OR UPDATE ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_events_await_link AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION await_link();

create table audit_head (
  singleton boolean not null default true,
  n bigint not null,
  hash bytea not null,
  constraint audit_head_pkey PRIMARY KEY (singleton),
  constraint audit_head_singleton_check CHECK (singleton)
);

create table audit_links (
  n bigint not null,
  event_id uuid not null,
  hash bytea not null,
  constraint audit_links_event_id_key UNIQUE (event_id),
  constraint audit_links_pkey PRIMARY KEY (n)
);
CREATE TRIGGER audit_links_are_final BEFORE DELETE OR UPDATE ON audit_links FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table audit_unlinked (
  seq bigint not null,
  event_id uuid not null,
  constraint audit_unlinked_pkey PRIMARY KEY (seq)
);

create table connection_checks (
  connection_id uuid not null,
  paid_until timestamp with time zone not null,
  failures integer not null default 0,
  failing_since timestamp with time zone,
  failing_reason text,
  misconfigured_since timestamp with time zone,
  misconfigured_reason text,
  braked_since timestamp with time zone,
  brake_lifted_until timestamp with time zone,
  unrotated integer not null default 0,
  constraint connection_checks_pkey PRIMARY KEY (connection_id),
  constraint connection_checks_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id)
);
CREATE INDEX connection_checks_paid_until ON connection_checks USING btree (paid_until);

create table connection_lockouts (
  id uuid not null,
  connection_id uuid not null,
  found_by text not null,
  milliseconds integer not null,
  at timestamp with time zone not null,
  constraint connection_lockouts_pkey PRIMARY KEY (id),
  constraint connection_lockouts_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id)
);
CREATE INDEX connection_lockouts_at ON connection_lockouts USING btree (at);
CREATE INDEX connection_lockouts_connection ON connection_lockouts USING btree (connection_id, at);

create table connection_verdicts (
  connection_id uuid not null,
  at timestamp with time zone not null,
  verdict text not null,
  count integer not null,
  constraint connection_verdicts_pkey PRIMARY KEY (connection_id, at, verdict),
  constraint connection_verdicts_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id)
);
CREATE INDEX connection_verdicts_at ON connection_verdicts USING btree (at);

create table connection_versions (
  connection_id uuid not null,
  version integer not null,
  settings bytea not null,
  saved_by uuid,
  saved_at timestamp with time zone not null,
  answers bytea,
  published jsonb,
  constraint connection_versions_pkey PRIMARY KEY (connection_id, version),
  constraint connection_versions_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint connection_versions_saved_by_fkey FOREIGN KEY (saved_by) REFERENCES users(id) ON DELETE SET NULL
);

create table connections (
  id uuid not null,
  organization_id uuid not null,
  kind text not null,
  name text not null,
  settings bytea not null,
  config_version integer not null default 1,
  state text not null default 'draft'::text,
  provisioning text not null default 'off'::text,
  deleted_at timestamp with time zone,
  created_at timestamp with time zone not null,
  preset text,
  tested_version integer,
  role_rules jsonb not null default '[]'::jsonb,
  idp_initiated boolean not null default false,
  disabled_at timestamp with time zone,
  tested_at timestamp with time zone,
  check_every_minutes integer not null default 60,
  outage_budget_minutes integer not null default 1440,
  outage_policy text not null default 'lock'::text,
  checks_per_second integer not null default 10,
  checks_burst integer not null default 20,
  scim_since timestamp with time zone,
  scim_match text not null default 'userName'::text,
  frontchannel_logout boolean not null default false,
  sign_out_there boolean not null default false,
  secret_ends_at timestamp with time zone,
  constraint connections_pkey PRIMARY KEY (id),
  constraint connections_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint connections_check_every_minutes_check CHECK (((check_every_minutes >= 1) AND (check_every_minutes <= 43200))),
  constraint connections_checks_burst_check CHECK ((checks_burst > 0)),
  constraint connections_checks_per_second_check CHECK ((checks_per_second > 0)),
  constraint connections_outage_budget_minutes_check CHECK ((outage_budget_minutes >= 0)),
  constraint connections_outage_policy_check CHECK ((outage_policy = ANY (ARRAY['keep'::text, 'read_only'::text, 'lock'::text]))),
  constraint connections_provisioning_check CHECK ((provisioning = ANY (ARRAY['off'::text, 'invited'::text, 'domain'::text, 'register'::text, 'everybody'::text]))),
  constraint connections_scim_match_check CHECK ((scim_match = ANY (ARRAY['userName'::text, 'externalId'::text, 'oid'::text]))),
  constraint connections_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'tested'::text, 'active'::text, 'disabled'::text])))
);
CREATE INDEX connections_organization ON connections USING btree (organization_id);
CREATE TRIGGER connections_begin_checks AFTER INSERT ON connections FOR EACH ROW EXECUTE FUNCTION begin_checks();

create table domains (
  id uuid not null,
  organization_id uuid not null,
  domain text collate "C" not null,
  token text not null,
  connection_id uuid,
  verified_at timestamp with time zone,
  last_proved_at timestamp with time zone,
  check_at timestamp with time zone,
  missing_since timestamp with time zone,
  warned_at timestamp with time zone,
  created_at timestamp with time zone not null,
  constraint domains_organization_id_domain_key UNIQUE (organization_id, domain),
  constraint domains_pkey PRIMARY KEY (id),
  constraint domains_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id) ON DELETE SET NULL,
  constraint domains_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX domains_check_at ON domains USING btree (check_at) WHERE (check_at IS NOT NULL);
CREATE UNIQUE INDEX domains_verified ON domains USING btree (domain) WHERE (verified_at IS NOT NULL);

create table flows (
  id uuid not null,
  handle_hash bytea not null,
  browser_hash bytea not null,
  kind text not null,
  organization_id uuid,
  connection_id uuid,
  config_version integer,
  signature text not null,
  version integer not null default 1,
  data bytea not null,
  idle_ends_at timestamp with time zone not null,
  absolute_ends_at timestamp with time zone not null,
  claimed_at timestamp with time zone,
  consumed_at timestamp with time zone,
  outcome jsonb,
  foreign_attempts integer not null default 0,
  created_at timestamp with time zone not null,
  user_id uuid,
  constraint flows_handle_hash_key UNIQUE (handle_hash),
  constraint flows_pkey PRIMARY KEY (id),
  constraint flows_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint flows_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint flows_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL,
  constraint flows_kind_check CHECK ((kind = ANY (ARRAY['login'::text, 'mail'::text, 'passkey'::text, 'interrupted'::text, 'link'::text, 'test'::text]))),
  constraint flows_login_is_bound CHECK (((kind <> ALL (ARRAY['login'::text, 'link'::text, 'test'::text])) OR ((organization_id IS NOT NULL) AND (connection_id IS NOT NULL) AND (config_version IS NOT NULL))))
);
CREATE INDEX flows_absolute_ends_at ON flows USING btree (absolute_ends_at);
CREATE INDEX flows_connection ON flows USING btree (connection_id) WHERE (consumed_at IS NULL);
CREATE INDEX flows_user ON flows USING btree (user_id) WHERE (user_id IS NOT NULL);

create table identities (
  id uuid not null,
  connection_id uuid not null,
  issuer text collate "C" not null,
  subject text collate "C" not null,
  user_id uuid not null,
  claims jsonb not null default '{}'::jsonb,
  linked_at timestamp with time zone not null,
  last_verified_at timestamp with time zone not null,
  granted bytea,
  grant_version integer not null default 0,
  refresh_intent timestamp with time zone,
  rung text,
  check_at timestamp with time zone,
  lease uuid,
  verdict text,
  verdict_reason text,
  verdict_at timestamp with time zone,
  failing_since timestamp with time zone,
  failures integer not null default 0,
  held boolean not null default false,
  signal_disabled_at timestamp with time zone,
  signal_disabled_by text,
  signal_at timestamp with time zone,
  signed_in_at timestamp with time zone not null default now(),
  leaving_at timestamp with time zone,
  granted_under integer,
  constraint identities_connection_id_issuer_subject_key UNIQUE (connection_id, issuer, subject),
  constraint identities_connection_id_user_id_key UNIQUE (connection_id, user_id),
  constraint identities_pkey PRIMARY KEY (id),
  constraint identities_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint identities_rung_check CHECK ((rung = ANY (ARRAY['refresh'::text, 'userinfo'::text, 'introspection'::text, 'directory'::text, 'deadline'::text]))),
  constraint identities_subject_check CHECK ((subject <> ''::text)),
  constraint identities_verdict_check CHECK ((verdict = ANY (ARRAY['still_true'::text, 'no_longer_true'::text, 'could_not_tell'::text])))
);
CREATE INDEX identities_due ON identities USING btree (connection_id, check_at) WHERE (check_at IS NOT NULL);
CREATE INDEX identities_gone ON identities USING btree (connection_id, verdict_at) WHERE (verdict = 'no_longer_true'::text);
CREATE INDEX identities_leaving_at ON identities USING btree (leaving_at) WHERE (leaving_at IS NOT NULL);
CREATE INDEX identities_signed_in_at ON identities USING btree (signed_in_at);
CREATE INDEX identities_user ON identities USING btree (user_id);
CREATE TRIGGER identities_keep_their_user BEFORE UPDATE OF user_id, connection_id, issuer, subject ON identities FOR EACH ROW WHEN (((((old.user_id IS DISTINCT FROM new.user_id) OR (old.connection_id IS DISTINCT FROM new.connection_id)) OR (old.issuer IS DISTINCT FROM new.issuer)) OR (old.subject IS DISTINCT FROM new.subject))) EXECUTE FUNCTION refuse_change();

create table instance (
  singleton boolean not null default true,
  purpose text not null,
  marked_at timestamp with time zone not null,
  constraint instance_pkey PRIMARY KEY (singleton),
  constraint instance_purpose_check CHECK ((purpose = 'development'::text)),
  constraint instance_singleton_check CHECK (singleton)
);
CREATE TRIGGER instance_is_final BEFORE DELETE OR UPDATE ON instance FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table invitations (
  id uuid not null,
  organization_id uuid not null,
  address text not null,
  folded text not null,
  role text not null,
  token_hash bytea not null,
  invited_by uuid,
  expires_at timestamp with time zone not null,
  accepted_at timestamp with time zone,
  accepted_by uuid,
  withdrawn_at timestamp with time zone,
  created_at timestamp with time zone not null,
  constraint invitations_token_hash_key UNIQUE (token_hash),
  constraint invitations_pkey PRIMARY KEY (id),
  constraint invitations_accepted_by_fkey FOREIGN KEY (accepted_by) REFERENCES users(id) ON DELETE SET NULL,
  constraint invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES users(id) ON DELETE SET NULL,
  constraint invitations_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint invitations_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
);
CREATE INDEX invitations_expires_at ON invitations USING btree (expires_at);
CREATE UNIQUE INDEX invitations_open ON invitations USING btree (organization_id, folded) WHERE ((accepted_at IS NULL) AND (withdrawn_at IS NULL));

create table known_browsers (
  id uuid not null,
  user_id uuid not null,
  browser_hash bytea not null,
  seen_at timestamp with time zone not null,
  constraint known_browsers_user_id_browser_hash_key UNIQUE (user_id, browser_hash),
  constraint known_browsers_pkey PRIMARY KEY (id),
  constraint known_browsers_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX known_browsers_seen_at ON known_browsers USING btree (seen_at);

create table memberships (
  id uuid not null,
  organization_id uuid not null,
  user_id uuid not null,
  role text not null,
  link_state text not null default 'unlinked'::text,
  link_reason text,
  link_since timestamp with time zone not null,
  removed_at timestamp with time zone,
  role_from text not null default 'application'::text,
  removed_reason text,
  constraint memberships_organization_id_user_id_key UNIQUE (organization_id, user_id),
  constraint memberships_pkey PRIMARY KEY (id),
  constraint memberships_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint memberships_link_state_check CHECK ((link_state = ANY (ARRAY['unlinked'::text, 'linked'::text, 'suspect'::text, 'revoked'::text]))),
  constraint memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text]))),
  constraint memberships_role_from_check CHECK ((role_from = ANY (ARRAY['application'::text, 'provider'::text])))
);
CREATE INDEX memberships_user ON memberships USING btree (user_id);
CREATE TRIGGER memberships_take_identities AFTER DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION identities_leave();

create table nodes (
  id uuid not null,
  at timestamp with time zone not null,
  position bigint not null,
  constraint nodes_pkey PRIMARY KEY (id)
);

create table organizations (
  id uuid not null,
  slug text not null,
  name text not null,
  default_role text not null default 'member'::text,
  deleted_at timestamp with time zone,
  created_at timestamp with time zone not null,
  idle_minutes integer,
  absolute_minutes integer,
  keep_signed_in boolean not null default true,
  reauth_minutes integer,
  sso_required_since timestamp with time zone,
  check_at_most_minutes integer not null default 1440,
  keep_identities_days integer not null default 400,
  constraint organizations_slug_key UNIQUE (slug),
  constraint organizations_pkey PRIMARY KEY (id),
  constraint organizations_absolute_minutes_check CHECK (((absolute_minutes >= 10) AND (absolute_minutes <= 129600))),
  constraint organizations_check_at_most_minutes_check CHECK (((check_at_most_minutes >= 1) AND (check_at_most_minutes <= 43200))),
  constraint organizations_idle_minutes_check CHECK (((idle_minutes >= 5) AND (idle_minutes <= 43200))),
  constraint organizations_keep_identities_days_check CHECK (((keep_identities_days >= 120) AND (keep_identities_days <= 3650))),
  constraint organizations_reauth_minutes_check CHECK (((reauth_minutes >= 1) AND (reauth_minutes <= 43200))),
  constraint organizations_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

create table passkeys (
  id uuid not null,
  user_id uuid not null,
  credential_id bytea not null,
  public_key bytea not null,
  sign_count bigint not null,
  transports text[] not null default '{}'::text[],
  backed_up boolean not null,
  name text not null,
  created_at timestamp with time zone not null,
  last_used_at timestamp with time zone,
  constraint passkeys_credential_id_key UNIQUE (credential_id),
  constraint passkeys_pkey PRIMARY KEY (id),
  constraint passkeys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX passkeys_user ON passkeys USING btree (user_id);
CREATE TRIGGER passkeys_keep_their_user BEFORE UPDATE OF user_id, credential_id, public_key ON passkeys FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) OR (old.credential_id IS DISTINCT FROM new.credential_id) OR (old.public_key IS DISTINCT FROM new.public_key))) EXECUTE FUNCTION refuse_change();

create table rate_limits (
  key text not null,
  used integer not null,
  until timestamp with time zone not null,
  constraint rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_limits_until ON rate_limits USING btree (until);

create table recovery_codes (
  id uuid not null,
  organization_id uuid not null,
  user_id uuid not null,
  code_hash bytea not null,
  created_at timestamp with time zone not null,
  used_at timestamp with time zone,
  constraint recovery_codes_code_hash_key UNIQUE (code_hash),
  constraint recovery_codes_pkey PRIMARY KEY (id),
  constraint recovery_codes_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX recovery_codes_user ON recovery_codes USING btree (user_id, organization_id);

create table recurring_jobs (
  name text not null,
  began_at timestamp with time zone not null,
  constraint recurring_jobs_pkey PRIMARY KEY (name)
);

create table revocation_head (
  singleton boolean not null default true,
  id bigint not null,
  constraint revocation_head_pkey PRIMARY KEY (singleton),
  constraint revocation_head_singleton_check CHECK (singleton)
);

create table revocations (
  id bigint not null,
  kind text not null,
  target uuid,
  at timestamp with time zone not null,
  constraint revocations_pkey PRIMARY KEY (id),
  constraint revocations_check CHECK (((target IS NULL) = (kind = 'everything'::text))),
  constraint revocations_kind_check CHECK ((kind = ANY (ARRAY['session'::text, 'user'::text, 'organization'::text, 'connection'::text, 'identity'::text, 'everything'::text])))
);
CREATE INDEX revocations_at ON revocations USING btree (at);
CREATE TRIGGER revocations_are_final BEFORE UPDATE ON revocations FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table saml_upkeep (
  connection_id uuid not null,
  check_at timestamp with time zone not null,
  read_at timestamp with time zone,
  problem text,
  follow boolean not null default false,
  published jsonb not null default '[]'::jsonb,
  constraint saml_upkeep_pkey PRIMARY KEY (connection_id),
  constraint saml_upkeep_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id)
);
CREATE INDEX saml_upkeep_check_at ON saml_upkeep USING btree (check_at);

create table scim_group_members (
  group_id uuid not null,
  scim_user_id uuid not null,
  constraint scim_group_members_pkey PRIMARY KEY (group_id, scim_user_id),
  constraint scim_group_members_group_id_fkey FOREIGN KEY (group_id) REFERENCES scim_groups(id) ON DELETE CASCADE,
  constraint scim_group_members_scim_user_id_fkey FOREIGN KEY (scim_user_id) REFERENCES scim_users(id) ON DELETE CASCADE
);
CREATE INDEX scim_group_members_user ON scim_group_members USING btree (scim_user_id);

create table scim_groups (
  id uuid not null,
  connection_id uuid not null,
  display_name text not null,
  folded text collate "C" not null,
  external_id text collate "C",
  version integer not null default 1,
  created_at timestamp with time zone not null,
  changed_at timestamp with time zone not null,
  constraint scim_groups_connection_id_folded_key UNIQUE (connection_id, folded),
  constraint scim_groups_pkey PRIMARY KEY (id),
  constraint scim_groups_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id)
);

create table scim_tokens (
  id uuid not null,
  connection_id uuid not null,
  token_hash bytea not null,
  created_by uuid,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  constraint scim_tokens_token_hash_key UNIQUE (token_hash),
  constraint scim_tokens_pkey PRIMARY KEY (id),
  constraint scim_tokens_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint scim_tokens_created_by_fkey FOREIGN KEY (created_by) REFERENCES users(id) ON DELETE SET NULL
);
CREATE INDEX scim_tokens_connection ON scim_tokens USING btree (connection_id);

create table scim_users (
  id uuid not null,
  connection_id uuid not null,
  user_name text not null,
  folded text collate "C" not null,
  external_id text collate "C",
  subject text collate "C",
  active boolean not null,
  attributes jsonb not null default '{}'::jsonb,
  user_id uuid,
  overruled_at timestamp with time zone,
  version integer not null default 1,
  created_at timestamp with time zone not null,
  changed_at timestamp with time zone not null,
  deleted_at timestamp with time zone,
  constraint scim_users_pkey PRIMARY KEY (id),
  constraint scim_users_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint scim_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE UNIQUE INDEX scim_users_account ON scim_users USING btree (connection_id, user_id) WHERE (deleted_at IS NULL);
CREATE INDEX scim_users_called ON scim_users USING btree (connection_id, folded);
CREATE INDEX scim_users_external ON scim_users USING btree (connection_id, external_id) WHERE (deleted_at IS NULL);
CREATE INDEX scim_users_listed ON scim_users USING btree (connection_id, created_at, id) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX scim_users_name ON scim_users USING btree (connection_id, folded) WHERE (deleted_at IS NULL);
CREATE INDEX scim_users_said ON scim_users USING btree (connection_id, subject);
CREATE UNIQUE INDEX scim_users_subject ON scim_users USING btree (connection_id, subject) WHERE (deleted_at IS NULL);
CREATE INDEX scim_users_user ON scim_users USING btree (user_id) WHERE (user_id IS NOT NULL);

create table session_proofs (
  session_id uuid not null,
  organization_id uuid not null,
  connection_id uuid,
  identity_id uuid,
  config_version integer,
  authenticated_at timestamp with time zone not null,
  acr text,
  amr text[],
  provider_session text,
  not_on_or_after timestamp with time zone,
  proved_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  name_id text,
  id_token_hint bytea,
  constraint session_proofs_pkey PRIMARY KEY (session_id, organization_id),
  constraint session_proofs_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint session_proofs_identity_id_fkey FOREIGN KEY (identity_id) REFERENCES identities(id) ON DELETE CASCADE,
  constraint session_proofs_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint session_proofs_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE,
  constraint session_proofs_rest_on_one_thing CHECK ((num_nulls(connection_id, identity_id, config_version) = ANY (ARRAY[0, 3])))
);
CREATE INDEX session_proofs_connection ON session_proofs USING btree (connection_id);
CREATE INDEX session_proofs_identity ON session_proofs USING btree (identity_id);

create table sessions (
  id uuid not null,
  token_hash bytea not null,
  user_id uuid not null,
  kind text not null,
  browser_hash bytea,
  flow_id uuid,
  rotated_from uuid,
  device text not null default ''::text,
  address inet,
  authenticated_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  idle_ends_at timestamp with time zone not null,
  absolute_ends_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  revoked_reason text,
  created_at timestamp with time zone not null,
  personal_method text,
  offered_guest_id uuid,
  kept boolean not null default false,
  locked_at timestamp with time zone,
  challenged_at timestamp with time zone,
  passkey_id uuid,
  personal_until timestamp with time zone,
  personal_since timestamp with time zone,
  constraint sessions_flow_id_key UNIQUE (flow_id),
  constraint sessions_token_hash_key UNIQUE (token_hash),
  constraint sessions_pkey PRIMARY KEY (id),
  constraint sessions_offered_guest_id_fkey FOREIGN KEY (offered_guest_id) REFERENCES users(id) ON DELETE SET NULL,
  constraint sessions_passkey_id_fkey FOREIGN KEY (passkey_id) REFERENCES passkeys(id) ON DELETE SET NULL,
  constraint sessions_rotated_from_fkey FOREIGN KEY (rotated_from) REFERENCES sessions(id) ON DELETE SET NULL,
  constraint sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint sessions_challenged_when_locked CHECK (((challenged_at IS NULL) OR (locked_at IS NOT NULL))),
  constraint sessions_check CHECK (((revoked_at IS NULL) = (revoked_reason IS NULL))),
  constraint sessions_check1 CHECK ((idle_ends_at <= absolute_ends_at)),
  constraint sessions_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'guest'::text]))),
  constraint sessions_personal_method_check CHECK ((personal_method = ANY (ARRAY['mail'::text, 'passkey'::text]))),
  constraint sessions_personal_proof_begins CHECK (((personal_method IS NULL) = (personal_since IS NULL))),
  constraint sessions_personal_proof_ends CHECK (((personal_method IS NULL) = (personal_until IS NULL)))
);
CREATE INDEX sessions_absolute_ends_at ON sessions USING btree (absolute_ends_at);
CREATE INDEX sessions_browser ON sessions USING btree (browser_hash, created_at DESC);
CREATE INDEX sessions_guest ON sessions USING btree (user_id) WHERE (kind = 'guest'::text);
CREATE INDEX sessions_live_guests ON sessions USING btree (idle_ends_at) WHERE ((kind = 'guest'::text) AND (revoked_at IS NULL));
CREATE INDEX sessions_offered_guest ON sessions USING btree (offered_guest_id) WHERE (offered_guest_id IS NOT NULL);
CREATE INDEX sessions_passkey ON sessions USING btree (passkey_id) WHERE ((revoked_at IS NULL) AND (passkey_id IS NOT NULL));
CREATE INDEX sessions_revoked_at ON sessions USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);
CREATE INDEX sessions_rotated_from ON sessions USING btree (rotated_from) WHERE (rotated_from IS NOT NULL);
CREATE INDEX sessions_user ON sessions USING btree (user_id);
CREATE TRIGGER sessions_stay_dead BEFORE UPDATE ON sessions FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND ((new.revoked_at IS NULL) OR (new.token_hash <> old.token_hash)))) EXECUTE FUNCTION refuse_change();

create table setup_links (
  id uuid not null,
  organization_id uuid not null,
  connection_id uuid,
  token_hash bytea not null,
  created_by uuid,
  expires_at timestamp with time zone not null,
  withdrawn_at timestamp with time zone,
  created_at timestamp with time zone not null,
  tested_at timestamp with time zone,
  constraint setup_links_token_hash_key UNIQUE (token_hash),
  constraint setup_links_pkey PRIMARY KEY (id),
  constraint setup_links_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint setup_links_created_by_fkey FOREIGN KEY (created_by) REFERENCES users(id) ON DELETE SET NULL,
  constraint setup_links_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
CREATE INDEX setup_links_expires_at ON setup_links USING btree (expires_at);

create table signal_streams (
  connection_id uuid not null,
  settings bytea not null,
  issuer text not null,
  stream_id text not null,
  audience text[] not null,
  delivery text not null,
  push_hash bytea,
  status text not null default 'enabled'::text,
  status_reason text,
  awaited_hash bytea,
  asked_at timestamp with time zone,
  verified_at timestamp with time zone,
  last_event text,
  last_event_at timestamp with time zone,
  failing_since timestamp with time zone,
  failing_reason text,
  due_at timestamp with time zone not null,
  created_at timestamp with time zone not null,
  constraint signal_streams_pkey PRIMARY KEY (connection_id),
  constraint signal_streams_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES connections(id),
  constraint signal_streams_delivery_check CHECK ((delivery = ANY (ARRAY['push'::text, 'poll'::text]))),
  constraint signal_streams_status_check CHECK ((status = ANY (ARRAY['enabled'::text, 'paused'::text, 'disabled'::text])))
);
CREATE INDEX signal_streams_due_at ON signal_streams USING btree (due_at);

create table sso_exemptions (
  session_id uuid not null,
  organization_id uuid not null,
  user_id uuid not null,
  until timestamp with time zone not null,
  constraint sso_exemptions_pkey PRIMARY KEY (session_id, organization_id),
  constraint sso_exemptions_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint sso_exemptions_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE,
  constraint sso_exemptions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE INDEX sso_exemptions_until ON sso_exemptions USING btree (until);

create table used_once (
  kind text not null,
  scope text not null,
  id text collate "C" not null,
  until timestamp with time zone not null,
  constraint used_once_pkey PRIMARY KEY (kind, scope, id)
);
CREATE INDEX used_once_until ON used_once USING btree (until);

create table user_emails (
  user_id uuid not null,
  address text not null,
  folded text not null,
  verified_at timestamp with time zone,
  is_primary boolean not null default false,
  constraint user_emails_pkey PRIMARY KEY (user_id, folded),
  constraint user_emails_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);
CREATE UNIQUE INDEX user_emails_primary ON user_emails USING btree (user_id) WHERE is_primary;
CREATE UNIQUE INDEX user_emails_verified ON user_emails USING btree (folded) WHERE (verified_at IS NOT NULL);

create table users (
  id uuid not null,
  name text not null,
  kind text not null,
  suspended_at timestamp with time zone,
  merged_into uuid,
  deleted_at timestamp with time zone,
  created_at timestamp with time zone not null,
  synthetic boolean not null default is_development(),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES users(id),
  constraint users_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'guest'::text])))
);
CREATE INDEX users_guests ON users USING btree (created_at) WHERE ((kind = 'guest'::text) AND (merged_into IS NULL));
CREATE INDEX users_merged_into ON users USING btree (merged_into) WHERE (merged_into IS NOT NULL);
CREATE TRIGGER users_stay_what_they_are BEFORE UPDATE OF synthetic ON users FOR EACH ROW WHEN ((old.synthetic IS DISTINCT FROM new.synthetic)) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER users_synthetic_in_development_only BEFORE INSERT ON users FOR EACH ROW WHEN (new.synthetic) EXECUTE FUNCTION refuse_synthetic();

create table webhook_deliveries (
  id uuid not null,
  organization_id uuid not null,
  event text not null,
  body text not null,
  state text not null,
  tries integer not null default 0,
  answer text,
  tried_at timestamp with time zone,
  created_at timestamp with time zone not null,
  constraint webhook_deliveries_pkey PRIMARY KEY (id),
  constraint webhook_deliveries_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id),
  constraint webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'delivered'::text, 'failed'::text])))
);
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries USING btree (created_at);
CREATE INDEX webhook_deliveries_organization ON webhook_deliveries USING btree (organization_id, created_at DESC);

create table webhooks (
  organization_id uuid not null,
  url text not null,
  secret bytea not null,
  created_at timestamp with time zone not null,
  constraint webhooks_pkey PRIMARY KEY (organization_id),
  constraint webhooks_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id)
);
