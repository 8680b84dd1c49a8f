-- A rewrite stays known for a while after its element has moved on (`past`): who tells of it late tells
-- nothing new. `told_by` is a JSON list of who told it so far, `told_at` when its alarm was raised.
CREATE TABLE told_rewrites (
  number INTEGER PRIMARY KEY,
  element TEXT NOT NULL,
  repository TEXT NOT NULL,
  ref TEXT NOT NULL,
  kind TEXT NOT NULL,
  before TEXT,
  after TEXT,
  target TEXT,                        -- the commit behind `after`
  held INTEGER NOT NULL,
  past INTEGER NOT NULL DEFAULT 0,
  told_by TEXT NOT NULL DEFAULT '[]',
  told_at REAL NOT NULL
) STRICT;
INSERT INTO told_rewrites (element, repository, ref, kind, before, after, target, held, told_at)
  SELECT element, repository, ref, kind, before, after, target, held, CAST(strftime('%s', 'now') AS REAL)
  FROM rewrites ORDER BY element, repository, ref;
DROP TABLE rewrites;
ALTER TABLE told_rewrites RENAME TO rewrites;
CREATE INDEX rewrites_by_element ON rewrites (element, repository, ref);
