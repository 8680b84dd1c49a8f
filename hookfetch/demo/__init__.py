"""A small world to try hookfetch in: upstreams and a source cache on this machine alone."""
