-- A session whose person proved by mail who they are, and is a member of an organization by that.
insert into sessions (id, token_hash, user_id, kind, personal_method, personal_since, personal_until, authenticated_at,
  last_seen_at, idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-000000000181', '\x0181', '01890000-0000-7000-8000-000000000001', 'user', 'mail',
  '2026-06-01T12:00:00Z', '2026-06-02T00:00:00Z', '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-06-01T13:30:00Z',
  '2026-06-02T00:00:00Z', '2026-06-01T12:00:00Z');
insert into session_proofs (session_id, organization_id, authenticated_at, proved_at, last_seen_at, not_on_or_after)
values ('01890000-0000-7000-8000-000000000181', '01890000-0000-7000-8000-000000000002', '2026-06-01T12:00:00Z',
  '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-06-02T00:00:00Z');
