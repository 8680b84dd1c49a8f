"""Tests: sentences about behaviour, in rooms like the package."""
