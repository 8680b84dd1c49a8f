-- What clients brought, while a job is for it (`core.supplied.job_name`); `sources` is JSON.
CREATE TABLE supplied (job TEXT PRIMARY KEY, sources TEXT NOT NULL) WITHOUT ROWID, STRICT;
