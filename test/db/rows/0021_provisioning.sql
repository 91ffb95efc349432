-- A directory's token, and what it has said of the person of 0001.
update connections set scim_since = '2026-06-01T12:00:00Z', scim_match = 'externalId' where id = '01890000-0000-7000-8000-000000000003';
insert into scim_tokens (id, connection_id, token_hash, created_by, created_at, expires_at)
values ('01890000-0000-7000-8000-000000000211', '01890000-0000-7000-8000-000000000003', '\x0211',
  '01890000-0000-7000-8000-000000000001', '2026-06-01T12:00:00Z', '2027-06-01T12:00:00Z');
insert into scim_users (id, connection_id, user_name, folded, external_id, subject, active, attributes, user_id, created_at, changed_at)
values ('01890000-0000-7000-8000-000000000212', '01890000-0000-7000-8000-000000000003', 'Alice@acme.example',
  'alice@acme.example', '00u1', '00u1', true, '{"displayName": "Alice"}', '01890000-0000-7000-8000-000000000001',
  '2026-06-01T12:00:00Z', '2026-06-01T12:00:00Z');
insert into scim_groups (id, connection_id, display_name, folded, created_at, changed_at)
values ('01890000-0000-7000-8000-000000000213', '01890000-0000-7000-8000-000000000003', 'Administrators', 'administrators',
  '2026-06-01T12:00:00Z', '2026-06-01T12:00:00Z');
insert into scim_group_members (group_id, scim_user_id)
values ('01890000-0000-7000-8000-000000000213', '01890000-0000-7000-8000-000000000212');
