"""Where a worker connects to: `core.egress` decides, and this holds its sockets, git and ssh to that."""
