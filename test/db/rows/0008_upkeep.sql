-- An event that is linked, and one that waits.
insert into audit_events (id, action, outcome, at)
values ('01890000-0000-7000-8000-0000000000f1', 'flow.started', 'ok', '2026-06-01T12:00:00Z');
insert into audit_links (n, event_id, hash) values (1, '01890000-0000-7000-8000-0000000000f1', '\x01');
update audit_head set n = 1, hash = '\x01';
