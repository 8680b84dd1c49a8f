"""Is the disk full? Then what was not used for long is given up, and the job is tried again."""

import errno
import os
import shutil
from pathlib import Path

from hookfetch.originals.expiry import make_room

_FULL = 4 * 1024**2  # bytes: with less left nothing works, and some of what fails does not say why
_NO_SPACE = os.strerror(errno.ENOSPC)


def is_full(said: str, folder: Path) -> bool:
    """Return whether a job that failed and `said` this did so as the disk with `folder` was full."""
    return _NO_SPACE in said or shutil.disk_usage(folder).free < _FULL


def make_room_on(folder: Path, quota: int) -> str:
    """Give up some of what is kept below `folder`; return what is to be said of it, in one line. Blocks."""
    try:
        done = make_room(folder, quota)
    except OSError as error:
        return f"the disk with {folder} is full, and nothing can be deleted there: {error.strerror}"
    freed = sum(entry.kept.bytes for entry in done.given_up)
    if freed < _FULL:
        return f"the disk with {folder} is full, and no mirror is left to be given up: make room there"
    return f"the disk with {folder} was full: {freed / 1024**2:.0f} MiB of mirrors were given up"
