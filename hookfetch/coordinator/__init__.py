"""One project's coordinator: runs the handlers, keeps the store, hands out jobs, keeps the log."""
