-- What feeds said last: `feed` is its kind and address. `releases` is JSON, compressed; `count` how many those are.
CREATE TABLE feeds (
  feed TEXT PRIMARY KEY,
  etag TEXT,
  last_modified TEXT,
  releases BLOB,
  count INTEGER NOT NULL DEFAULT 0,
  seen_at REAL NOT NULL,
  changed_at REAL,
  moved_to TEXT,
  failing_since REAL,
  error TEXT
) STRICT;

-- Since when a version is known. One that a feed tells of no more stays: it was released all the same.
CREATE TABLE feed_versions (
  feed TEXT NOT NULL REFERENCES feeds ON DELETE CASCADE,
  version TEXT NOT NULL,
  first_seen REAL NOT NULL,
  PRIMARY KEY (feed, version)
) WITHOUT ROWID, STRICT;
