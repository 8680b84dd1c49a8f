"""hookfetch: a push upstream becomes a tracked, fetched, cached and announced BuildStream source."""
