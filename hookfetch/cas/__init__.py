"""The remote source cache in its own protocols: what it holds, and sources made from git objects for it."""
