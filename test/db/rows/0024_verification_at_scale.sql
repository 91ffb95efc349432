-- The identity of 0001 was granted something, under the connection's first settings.
update identities set granted = '\x00', granted_under = 1 where id = '01890000-0000-7000-8000-000000000005';
