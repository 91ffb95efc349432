-- A database for development, and somebody invented in it.
insert into instance (purpose, marked_at) values ('development', '2026-06-01T12:00:00Z');
insert into users (id, name, kind, created_at)
values ('01890000-0000-7000-8000-000000000091', 'Invented', 'person', '2026-06-01T12:00:00Z');
