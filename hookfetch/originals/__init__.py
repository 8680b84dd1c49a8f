"""Originals, that is unstaged upstream sources, as all workers of a machine keep them (docs/originals.md)."""
