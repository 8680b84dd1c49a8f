-- How what is cached under a key can be made again (`core.recipes`): an element's key, or `<kind>/<key>` of a
-- source. Those not used for longest go first.
CREATE TABLE recipes (
  key TEXT PRIMARY KEY,
  element TEXT NOT NULL,
  revision TEXT,
  refs TEXT NOT NULL,                 -- of each source, as in an event
  used_at REAL NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX recipes_by_use ON recipes (used_at);
