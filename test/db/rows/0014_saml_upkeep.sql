-- What was seen of the connection of 0001; its proof keeps no name of the provider's, as all older ones.
insert into saml_upkeep (connection_id, check_at, read_at, problem, follow, published)
values ('01890000-0000-7000-8000-000000000003', '2026-06-02T12:00:00Z', '2026-06-01T12:00:00Z', null, false,
  '[{"certificate": "MIIB", "seenAt": "2026-06-01T12:00:00Z", "goneAt": null, "takenAt": "2026-06-01T12:00:00Z"}]');
