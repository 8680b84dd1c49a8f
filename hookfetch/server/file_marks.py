"""Tells whether files changed without reading them."""

from collections.abc import Sequence
from pathlib import Path

# What of a file changes with its content: which file, when and how much was written; None: there is none.
Mark = tuple[int, int, int] | None


def marks_of(files: Sequence[Path]) -> list[Mark]:
    """Return a mark for each file."""
    return [_mark(file) for file in files]


def _mark(file: Path) -> Mark:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
