insert into recurring_jobs (name, began_at) values ('purge', '2026-06-01T12:00:00Z');
