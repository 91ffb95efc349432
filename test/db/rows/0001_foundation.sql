-- Rows as the program of 0001_foundation wrote them. They are never edited: every later schema must load them.
insert into users (id, name, kind, created_at)
values ('01890000-0000-7000-8000-000000000001', 'Alice', 'person', '2026-06-01T12:00:00Z');

insert into user_emails (user_id, address, folded, is_primary)
values ('01890000-0000-7000-8000-000000000001', 'Alice@acme.example', 'alice@acme.example', true);

insert into organizations (id, slug, name, created_at)
values ('01890000-0000-7000-8000-000000000002', 'acme', 'Acme', '2026-06-01T12:00:00Z');

insert into memberships (id, organization_id, user_id, role, link_state, link_since)
values ('01890000-0000-7000-8000-000000000004', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000001', 'owner', 'linked', '2026-06-01T12:00:00Z');

-- Sealed with the tests' key, "t".
insert into connections (id, organization_id, kind, name, settings, state, provisioning, created_at)
values ('01890000-0000-7000-8000-000000000003', '01890000-0000-7000-8000-000000000002', 'oidc', 'Acme SSO',
  '\x01017463a9506a08721bf5aba448c4b439b257aad5f79500cbae67a0cba081520a4190db1a56d757a88a7a14c0a675e6e49fd63569f0ceccc135cf81de16dfc6f27e517a63c6062f558f95002ee40d5eaf4f24d5cd7e5d2ca8584beb9a0ddcc67d3860a258a889a1b35701db10b1e3643e172bd5dfd2935911a90cc266d08928f8ca123310802abd10719db7c6b6e43086fd222557b8f5e770efe4ce163b',
  'active', 'everybody', '2026-06-01T12:00:00Z');

insert into identities (id, connection_id, issuer, subject, user_id, claims, linked_at, last_verified_at)
values ('01890000-0000-7000-8000-000000000005', '01890000-0000-7000-8000-000000000003', 'https://idp.example', 'alice',
  '01890000-0000-7000-8000-000000000001', '{"name": "Alice"}', '2026-06-01T12:00:00Z', '2026-06-01T12:00:00Z');

-- The token is "a session token".
insert into sessions (id, token_hash, user_id, kind, device, address, authenticated_at, last_seen_at, idle_ends_at,
  absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-000000000006', '\x831ebc49d01183329554508c8ac442339dbd341e7783ece7325deb15995a3ad9',
  '01890000-0000-7000-8000-000000000001', 'user', 'Firefox on Linux', '192.0.2.7', '2026-06-01T12:00:00Z',
  '2026-06-01T12:30:00Z', '2026-06-01T13:30:00Z', '2026-06-02T00:00:00Z', '2026-06-01T12:00:00Z');

insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at,
  acr, amr)
values ('01890000-0000-7000-8000-000000000006', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000003', '01890000-0000-7000-8000-000000000005', 1, '2026-06-01T12:00:00Z', 'mfa',
  '{otp,pwd}');

insert into flows (id, handle_hash, browser_hash, kind, organization_id, connection_id, config_version, signature, data,
  idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-000000000007', '\x01', '\x02', 'login', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000003', 1, 'login', '\x03', '2026-06-01T12:10:00Z', '2026-06-01T13:00:00Z',
  '2026-06-01T12:00:00Z');

insert into audit_events (id, action, outcome, organization_id, actor_id, target, data, at)
values ('01890000-0000-7000-8000-000000000008', 'login.succeeded', 'ok', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000001', '01890000-0000-7000-8000-000000000006', '{}', '2026-06-01T12:00:00Z');
