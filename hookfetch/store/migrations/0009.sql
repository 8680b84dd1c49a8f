-- Newer versions that elements are to go to from `current` (`core.moves`): `wanted` is JSON. `state` is `wanted`, for the element's
-- next job; `awaited`, where it could not be downloaded, until `due_at`; or `over`, where it is not tried any more.
CREATE TABLE moves (
  element TEXT NOT NULL,
  current TEXT NOT NULL,
  version TEXT NOT NULL,
  wanted TEXT NOT NULL,
  event_id TEXT NOT NULL,
  cause TEXT NOT NULL,
  found_at REAL NOT NULL,
  state TEXT NOT NULL,
  due_at REAL,
  tries INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  PRIMARY KEY (element, current)
) WITHOUT ROWID, STRICT;
CREATE INDEX moves_by_due ON moves (state, due_at);

-- What changes beside the ref of a source, JSON as in an event; NULL where nothing does.
ALTER TABLE proposed ADD COLUMN moved TEXT;
