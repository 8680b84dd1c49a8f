-- A project's store, version 1. Times are Unix seconds; refs are JSON as BuildStream has them.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;

-- Every event that was handled, once by id. `outcome` is NULL while a job of it is open.
CREATE TABLE events (
  id TEXT PRIMARY KEY,
  delivery_id TEXT NOT NULL,
  type TEXT NOT NULL,
  handled_at REAL NOT NULL,
  outcome TEXT,
  reason TEXT
) WITHOUT ROWID, STRICT;
CREATE INDEX events_by_delivery ON events (delivery_id);
CREATE INDEX events_by_time ON events (handled_at);

-- At most one running and one waiting job an element; finished jobs are deleted.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  element TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running')),
  track INTEGER NOT NULL,
  priority INTEGER NOT NULL,          -- 0 interactive, 1 background
  due_at REAL NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, -- raised when it is handed out
  failures INTEGER NOT NULL DEFAULT 0,
  reason TEXT,                        -- of the last failure
  set_aside_at REAL,                  -- quarantined since; its due_at is when that ends
  handed_out_at REAL,
  UNIQUE (element, state)
) STRICT;
CREATE INDEX jobs_by_due ON jobs (state, priority, due_at);

CREATE TABLE job_causes (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  event_id TEXT NOT NULL,
  cause TEXT NOT NULL,                -- the delivery, sweep or request behind the event
  PRIMARY KEY (job_id, event_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE job_clients (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  request_id TEXT NOT NULL,
  reply_to TEXT NOT NULL,
  wants TEXT NOT NULL,
  PRIMARY KEY (job_id, request_id)
) WITHOUT ROWID, STRICT;

-- The announced ref of a source, while it differs from the branch's.
CREATE TABLE proposed (
  element TEXT NOT NULL,
  source_index INTEGER NOT NULL,
  kind TEXT NOT NULL,
  url TEXT,
  ref TEXT NOT NULL,
  number INTEGER NOT NULL,            -- the log entry that announced it
  PRIMARY KEY (element, source_index)
) WITHOUT ROWID, STRICT;

-- What the upstreams held when they were last asked. An empty repository has a row in
-- observed_repositories and none here.
CREATE TABLE observed_repositories (repository TEXT PRIMARY KEY, observed_at REAL NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE observed (
  repository TEXT NOT NULL REFERENCES observed_repositories (repository) ON DELETE CASCADE,
  ref TEXT NOT NULL,
  oid TEXT NOT NULL,
  peeled TEXT,
  PRIMARY KEY (repository, ref)
) WITHOUT ROWID, STRICT;

-- The numbered log; `published` once the bus has the entry.
CREATE TABLE log (
  number INTEGER PRIMARY KEY,
  element TEXT NOT NULL,
  entry BLOB NOT NULL,
  announced_at REAL NOT NULL,
  published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX log_by_element ON log (element, number);
CREATE INDEX log_to_publish ON log (number) WHERE published = 0;

-- The routing keys that the project's queue was bound to at the last good load.
CREATE TABLE bindings (routing_key TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;
