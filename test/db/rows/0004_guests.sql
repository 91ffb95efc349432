-- A guest, and a person who signed in as somebody and has not yet said whether that guest's work is theirs.
insert into users (id, name, kind, created_at)
values ('01890000-0000-7000-8000-00000000000d', 'Guest', 'guest', '2026-06-01T12:00:00Z');

insert into sessions (id, token_hash, user_id, kind, authenticated_at, last_seen_at, idle_ends_at, absolute_ends_at,
  created_at, revoked_at, revoked_reason)
values ('01890000-0000-7000-8000-00000000000e', '\x06', '01890000-0000-7000-8000-00000000000d', 'guest',
  '2026-06-01T12:00:00Z', '2026-06-01T12:00:00Z', '2026-06-02T12:00:00Z', '2026-06-08T12:00:00Z',
  '2026-06-01T12:00:00Z', '2026-06-01T12:05:00Z', 'switched');

update sessions set offered_guest_id = '01890000-0000-7000-8000-00000000000d'
where id = '01890000-0000-7000-8000-00000000000b';

update connections set provisioning = 'register';
