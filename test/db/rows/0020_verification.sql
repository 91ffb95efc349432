-- Asking again about the identity of 0001: its connection's row, and a verdict that was counted.
update identities set check_at = '2026-06-01T13:00:00Z', rung = 'refresh', verdict = 'still_true',
  verdict_at = '2026-06-01T12:00:00Z' where id = '01890000-0000-7000-8000-000000000005';
update connection_checks set failures = 1, failing_since = '2026-06-01T12:00:00Z', failing_reason = 'token: status 503'
where connection_id = '01890000-0000-7000-8000-000000000003';
insert into connection_verdicts (connection_id, at, verdict, count)
values ('01890000-0000-7000-8000-000000000003', '2026-06-01T12:00:00Z', 'still_true', 1);
