-- Another session that somebody ended, and a node that has heard of it.
update revocation_head set id = 1;
insert into revocations (id, kind, target, at)
values (1, 'session', '01890000-0000-7000-8000-000000000009', '2026-06-01T12:40:00Z');

insert into nodes (id, at, position)
values ('01890000-0000-7000-8000-00000000000a', '2026-06-01T12:40:01Z', 1);
