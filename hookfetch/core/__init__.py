"""Values and decisions. Nothing in this package does I/O."""
