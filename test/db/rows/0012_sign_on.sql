-- One row of each table that sign-on for organizations brought, beside the organization and connection of 0001.
insert into connection_versions (connection_id, version, settings, saved_by, saved_at)
values ('01890000-0000-7000-8000-000000000003', 1, '\x01', '01890000-0000-7000-8000-000000000001', '2026-06-01T12:00:00Z');
insert into invitations (id, organization_id, address, folded, role, token_hash, invited_by, expires_at, created_at)
values ('01890000-0000-7000-8000-000000000121', '01890000-0000-7000-8000-000000000002', 'Bob@acme.example',
  'bob@acme.example', 'member', '\x0121', '01890000-0000-7000-8000-000000000001', '2026-06-08T12:00:00Z', '2026-06-01T12:00:00Z');
insert into domains (id, organization_id, domain, token, connection_id, verified_at, last_proved_at, check_at, created_at)
values ('01890000-0000-7000-8000-000000000122', '01890000-0000-7000-8000-000000000002', 'acme.example', 'token',
  '01890000-0000-7000-8000-000000000003', '2026-06-01T12:00:00Z', '2026-06-01T12:00:00Z', '2026-06-02T12:00:00Z', '2026-06-01T12:00:00Z');
insert into recovery_codes (id, organization_id, user_id, code_hash, created_at)
values ('01890000-0000-7000-8000-000000000123', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000001', '\x0123', '2026-06-01T12:00:00Z');
insert into sso_exemptions (session_id, organization_id, user_id, until)
values ('01890000-0000-7000-8000-000000000006', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000001', '2026-06-01T13:00:00Z');
insert into setup_links (id, organization_id, connection_id, token_hash, created_by, expires_at, created_at)
values ('01890000-0000-7000-8000-000000000124', '01890000-0000-7000-8000-000000000002', '01890000-0000-7000-8000-000000000003',
  '\x0124', '01890000-0000-7000-8000-000000000001', '2026-06-08T12:00:00Z', '2026-06-01T12:00:00Z');
insert into used_once (kind, scope, id, until)
values ('saml-assertion', '01890000-0000-7000-8000-000000000003', '_1', '2026-06-01T13:00:00Z');
insert into attempts (id, organization_id, connection_id, kind, outcome, reason, user_id, at)
values ('req_1', '01890000-0000-7000-8000-000000000002', '01890000-0000-7000-8000-000000000003', 'login', 'refused',
  'nonce', '01890000-0000-7000-8000-000000000001', '2026-06-01T12:00:00Z');
