-- The connection of 0001: its secret's end, a lock-out that was measured, a webhook and one delivery.
update connections set secret_ends_at = '2026-12-01T00:00:00Z' where id = '01890000-0000-7000-8000-000000000003';
insert into connection_lockouts (id, connection_id, found_by, milliseconds, at) values
  ('01890000-0000-7000-8000-000000002301', '01890000-0000-7000-8000-000000000003', 'refresh', 1800000, '2026-06-01T12:00:00Z');
insert into webhooks (organization_id, url, secret, created_at) values
  ('01890000-0000-7000-8000-000000000002', 'https://hooks.acme.example/sallyport', '\x01', '2026-06-01T12:00:00Z');
insert into webhook_deliveries (id, organization_id, event, body, state, created_at) values
  ('01890000-0000-7000-8000-000000002302', '01890000-0000-7000-8000-000000000002', 'webhook.test', '{}', 'delivered',
   '2026-06-01T12:00:00Z');
