"""Adding a delivery to a spool that another process owns, as a replayed dead letter is. Blocking."""

import os
from pathlib import Path

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy
from hookfetch.spool.record import encode_delivery, frame
from hookfetch.spool.segment import SEALED, segment_name

# As many as the bus returns dead letters; each is a file until the owner has relayed it.
OUTSIDE_MOST = 10_000
UNFINISHED = ".unfinished"


def append_from_outside(directory: Path, delivery: Delivery) -> None:
    """Put `delivery` durably into the spool in `directory`, whether or not its owner runs.

    A running owner finds it within about a second. Busy when `OUTSIDE_MOST` wait already
    or the disk refuses; doing it again then is right, and at worst a repeat.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.scandir(directory) as entries:
            waiting = sum(entry.name.endswith(SEALED) for entry in entries)
        if waiting >= OUTSIDE_MOST:
            raise Busy(f"{directory}: {OUTSIDE_MOST} deliveries from outside wait already")
        _store(directory, frame(encode_delivery(delivery)))
    except OSError as error:
        raise Busy(f"{directory}: cannot store the delivery: {error.strerror}") from error


def _store(directory: Path, data: bytes) -> None:
    name = segment_name(0)
    unfinished = directory / f"{name}{UNFINISHED}"
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(directory / f"{name}{SEALED}")
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
