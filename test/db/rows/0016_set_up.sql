-- A version with what the administrator answered and what the provider published.
insert into connection_versions (connection_id, version, settings, answers, published, saved_by, saved_at)
values ('01890000-0000-7000-8000-000000000003', 2, '\x01', '\x02', '{"issuer": "https://idp.example"}',
  '01890000-0000-7000-8000-000000000001', '2026-06-01T12:00:00Z');
