-- `jobs.priority` has a third value: 2, for sources that nobody has asked for yet.

-- What each element's sources were when the branch was loaded last, so that a reload sees what is new.
-- `sources` is a digest of what decides its sources and their refs.
CREATE TABLE loaded (element TEXT PRIMARY KEY, sources TEXT NOT NULL) WITHOUT ROWID, STRICT;

-- Refs that a person's commit put another one in place of: not proposed again until tracking finds a new one.
CREATE TABLE withdrawn (
  element TEXT NOT NULL,
  source_index INTEGER NOT NULL,
  ref TEXT NOT NULL,
  PRIMARY KEY (element, source_index)
) WITHOUT ROWID, STRICT;

-- The ref of the branch when its source's ref was announced first: who changed it says whether it landed.
ALTER TABLE proposed ADD COLUMN base TEXT;

-- A job that is handed out: whether its worker looks at the upstream already, and a digest of what it was
-- given (`core.jobs.basis`).
ALTER TABLE jobs ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN given TEXT;

-- When a tag was first heard of that the policy does not let its element have before it has some age.
CREATE TABLE ripening (
  element TEXT NOT NULL,
  release TEXT NOT NULL,
  heard_at REAL NOT NULL,
  PRIMARY KEY (element, release)
) WITHOUT ROWID, STRICT;

-- What servers said last of the files at fixed addresses (`core.files`); times are in Unix seconds.
CREATE TABLE files (
  url TEXT PRIMARY KEY,
  etag TEXT,
  last_modified TEXT,
  length INTEGER,
  seen_at REAL NOT NULL,
  changed_at REAL
) WITHOUT ROWID, STRICT;

-- The source cache, while it is not there or has not been found to be there again (`core.outage`).
CREATE TABLE cache_outage (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  since REAL,
  reason TEXT NOT NULL,
  pause REAL NOT NULL,
  probe_at REAL NOT NULL
) STRICT;
-- Held until the source cache answers.
ALTER TABLE jobs ADD COLUMN awaits_cache INTEGER NOT NULL DEFAULT 0;
