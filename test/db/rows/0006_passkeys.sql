-- Alice's passkey, and the session that she began with it.
insert into passkeys (id, user_id, credential_id, public_key, sign_count, transports, backed_up, name, created_at)
values ('01890000-0000-7000-8000-00000000000d', '01890000-0000-7000-8000-000000000001', '\x06', '\x07', 3, '{internal}',
  true, 'Chrome on Linux', '2026-06-01T12:00:00Z');

insert into sessions (id, token_hash, user_id, kind, personal_method, passkey_id, authenticated_at, last_seen_at,
  idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-0000000000b1', '\x08', '01890000-0000-7000-8000-000000000001', 'user', 'passkey',
  '01890000-0000-7000-8000-00000000000d', '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-06-01T13:30:00Z',
  '2026-06-02T00:00:00Z', '2026-06-01T12:00:00Z');

insert into known_browsers (id, user_id, browser_hash, seen_at)
values ('01890000-0000-7000-8000-00000000000f', '01890000-0000-7000-8000-000000000001', '\x02', '2026-06-01T12:00:00Z');
