-- When a look last found that refs had changed, NULL before one did.
ALTER TABLE observed_repositories ADD COLUMN changed_at REAL;

-- The repositories of which deliveries tell: when one last did, and what the sweep found without a word
-- from any (`missed` of it, the last one at `missed_at`).
CREATE TABLE hooked (
  repository TEXT PRIMARY KEY,
  told_at REAL NOT NULL,
  missed INTEGER NOT NULL DEFAULT 0,
  missed_at REAL
) WITHOUT ROWID, STRICT;

-- What deliveries told, for the sweep that finds it later. `target` is the ref's object or the commit
-- behind it (a row each), empty for a deleted ref, and `*` where the forge did not say.
CREATE TABLE told (
  repository TEXT NOT NULL,
  ref TEXT NOT NULL,
  target TEXT NOT NULL,
  told_at REAL NOT NULL,
  PRIMARY KEY (repository, ref, target)
) WITHOUT ROWID, STRICT;
CREATE INDEX told_by_time ON told (told_at);

-- What the sweep found in hooked repositories and no delivery has told of yet.
CREATE TABLE awaited (
  repository TEXT NOT NULL,
  ref TEXT NOT NULL,
  oid TEXT NOT NULL,                  -- empty for a deleted ref
  target TEXT NOT NULL,               -- the commit behind it
  found_at REAL NOT NULL,
  PRIMARY KEY (repository, ref, oid)
) WITHOUT ROWID, STRICT;
