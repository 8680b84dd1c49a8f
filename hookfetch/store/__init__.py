"""A coordinator's SQLite store: one file a project, on a local disk. Decides nothing."""
