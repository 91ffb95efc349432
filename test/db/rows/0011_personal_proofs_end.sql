-- A session that proves less about its person than it is long.
insert into sessions (id, token_hash, user_id, kind, personal_method, personal_until, authenticated_at, last_seen_at,
  idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-0000000000f1', '\xf1f1', '01890000-0000-7000-8000-000000000001', 'user', 'mail',
  '2026-06-01T18:00:00Z', '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-06-01T13:30:00Z', '2026-06-02T00:00:00Z',
  '2026-06-01T12:00:00Z');
