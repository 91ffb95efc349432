-- A stream of shared signals of the connection of 0001, and what one of its events said of the identity.
insert into signal_streams (connection_id, settings, issuer, stream_id, audience, delivery, push_hash, due_at, created_at)
values ('01890000-0000-7000-8000-000000000003', '\x01', 'https://idp.example', 'stream-1', '{https://app.example}', 'push',
  '\x0221', '2026-06-02T12:00:00Z', '2026-06-01T12:00:00Z');
update identities set signal_at = '2026-06-01T12:00:00Z' where id = '01890000-0000-7000-8000-000000000005';
