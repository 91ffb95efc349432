-- An organization with limits of its own, a kept session that was locked, and what its person was about to send.
insert into organizations (id, slug, name, created_at, idle_minutes, absolute_minutes, keep_signed_in, reauth_minutes)
values ('01890000-0000-7000-8000-000000000010', 'brief', 'Brief', '2026-06-01T12:00:00Z', 15, 60, false, 30);

insert into sessions (id, token_hash, user_id, kind, kept, locked_at, challenged_at, authenticated_at, last_seen_at, idle_ends_at,
  absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-0000000000c1', '\x61', '01890000-0000-7000-8000-000000000001', 'user', true,
  '2026-06-01T12:20:00Z', '2026-06-01T12:21:00Z', '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-07-01T12:00:00Z',
  '2026-07-01T12:00:00Z', '2026-06-01T12:00:00Z');

insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at,
  proved_at, last_seen_at, not_on_or_after)
values ('01890000-0000-7000-8000-0000000000c1', '01890000-0000-7000-8000-000000000002',
  '01890000-0000-7000-8000-000000000003', '01890000-0000-7000-8000-000000000005', 1, '2026-06-01T11:50:00Z',
  '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-06-01T20:00:00Z');

insert into flows (id, handle_hash, browser_hash, kind, user_id, signature, data, idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-00000000000f', '\x07', '\x02', 'interrupted', '01890000-0000-7000-8000-000000000001',
  'interrupted', '\x03', '2026-06-01T12:10:00Z', '2026-06-01T12:10:00Z', '2026-06-01T12:00:00Z');
