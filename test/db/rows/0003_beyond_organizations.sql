-- A person who signed in by mail, the link under way of another, and how often somebody has asked.
insert into sessions (id, token_hash, user_id, kind, personal_method, authenticated_at, last_seen_at, idle_ends_at,
  absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-00000000000b', '\x04', '01890000-0000-7000-8000-000000000001', 'user', 'mail',
  '2026-06-01T12:00:00Z', '2026-06-01T12:30:00Z', '2026-06-01T13:30:00Z', '2026-06-02T00:00:00Z', '2026-06-01T12:00:00Z');

insert into flows (id, handle_hash, browser_hash, kind, signature, data, idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-00000000000c', '\x05', '\x02', 'mail', 'mail', '\x03', '2026-06-01T12:10:00Z',
  '2026-06-01T13:00:00Z', '2026-06-01T12:00:00Z');

insert into rate_limits (key, used, until) values ('guest 192.0.2.7', 3, '2026-06-01T12:01:00Z');
