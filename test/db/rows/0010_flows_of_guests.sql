-- A sign-in that a guest began.
insert into flows (id, handle_hash, browser_hash, kind, user_id, signature, data, idle_ends_at, absolute_ends_at, created_at)
values ('01890000-0000-7000-8000-0000000000a0', '\xa0', '\x02', 'mail', '01890000-0000-7000-8000-00000000000d', 'mail', '\x03',
  '2026-06-01T12:10:00Z', '2026-06-01T13:00:00Z', '2026-06-01T12:00:00Z');
