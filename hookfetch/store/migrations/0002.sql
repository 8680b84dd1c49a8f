-- Entries of the log say what they are.
UPDATE log SET entry = CAST(json_set(CAST(entry AS TEXT), '$.type', 'ref_updated', '$.epoch', 0) AS BLOB);

-- Alarms stand among the updates: of each element the newest of both kinds is kept.
ALTER TABLE log ADD COLUMN kind TEXT NOT NULL DEFAULT 'ref_updated';

-- `asked_at`: when the first event of a waiting job came, from which on it may be postponed.
-- `held`: set aside by the policy and not by failures, so that the next event has it look again.
ALTER TABLE jobs ADD COLUMN asked_at REAL NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- When the last background job of an element was handed out.
CREATE TABLE started (element TEXT PRIMARY KEY, started_at REAL NOT NULL) WITHOUT ROWID, STRICT;

-- The rewritten or removed refs that an element was warned of, until it has moved on.
CREATE TABLE rewrites (
  element TEXT NOT NULL,
  repository TEXT NOT NULL,
  ref TEXT NOT NULL,
  kind TEXT NOT NULL,
  before TEXT,
  after TEXT,
  target TEXT,                        -- the commit behind `after`
  held INTEGER NOT NULL,
  PRIMARY KEY (element, repository, ref)
) WITHOUT ROWID, STRICT;

-- Jobs that are over, for the stories of deliveries; bounded by age and by number. `entry` is the log
-- entry that a job led to.
CREATE TABLE ended_jobs (
  number INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL UNIQUE,
  element TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT,                        -- of the outcome, else of the last failure
  asked_at REAL,
  started_at REAL,
  ended_at REAL NOT NULL,
  entry INTEGER
) STRICT;
CREATE INDEX ended_jobs_by_element ON ended_jobs (element, ended_at);
CREATE INDEX ended_jobs_by_time ON ended_jobs (ended_at);
CREATE TABLE ended_job_causes (
  cause TEXT NOT NULL,
  job_id TEXT NOT NULL REFERENCES ended_jobs (job_id) ON DELETE CASCADE,
  PRIMARY KEY (cause, job_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX ended_job_causes_by_job ON ended_job_causes (job_id);
CREATE INDEX job_causes_by_cause ON job_causes (cause);

-- Which entries of the log a delivery led to.
CREATE TABLE entry_causes (cause TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (cause, number)) WITHOUT ROWID, STRICT;
CREATE INDEX entry_causes_by_number ON entry_causes (number);
INSERT OR IGNORE INTO entry_causes
  SELECT causes.value, log.number FROM log, json_each(CAST(log.entry AS TEXT), '$.causes') AS causes;

-- After a takeover: elements whose announced refs were learned from the log, or whose announcement was
-- never heard (`lost`) and is to be made anew; they are looked at after the next good load.
CREATE TABLE unsure (
  element TEXT NOT NULL,
  cause TEXT NOT NULL,
  lost INTEGER NOT NULL,
  PRIMARY KEY (element, cause)
) WITHOUT ROWID, STRICT;
-- Alarms that were never heard, to be raised again at the end of the takeover.
CREATE TABLE unheard_alarms (number INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
