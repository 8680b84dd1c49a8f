"""Adding a delivery to a spool that another process owns, as a replayed dead letter is. Blocking."""

import os
from pathlib import Path

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Busy
from hookfetch.spool.record import encode_delivery, frame
from hookfetch.spool.segment import OWN, QUARANTINE, SEALED, segment_name

# As many as the bus returns dead letters; each is a file until the owner has relayed it.
OUTSIDE_MOST = 10_000
UNFINISHED = ".unfinished"


def append_from_outside(directory: Path, delivery: Delivery, max_bytes: int) -> None:
    """Put `delivery` durably into the spool in `directory`, whether or not its owner runs; `max_bytes` is
    what the owner may use.

    A running owner finds it within about a second. Busy when `OUTSIDE_MOST` wait already, when it would take
    the half of the spool that is for the door, or the disk refuses; doing it again later is right, and at
    worst a repeat.
    """
    data = frame(encode_delivery(delivery))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        outside, used = _what_waits(directory)
        if outside >= OUTSIDE_MOST:
            raise Busy(f"{directory}: {OUTSIDE_MOST} deliveries from outside wait already")
        # One that is larger than half of it goes alone.
        if used + len(data) > (max_bytes // 2 if used else max_bytes):
            raise Busy(
                f"{directory}: the spool has no room for {delivery.id}: try again when the service has "
                "relayed what waits, or raise ingress.spool_max"
            )
        _store(directory, data)
    except OSError as error:
        raise Busy(f"{directory}: cannot store the delivery: {error.strerror}") from error


def _what_waits(directory: Path) -> tuple[int, int]:
    """Return how many segments are from outside, and the bytes of all."""
    outside = used = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.name.endswith((OWN, SEALED, QUARANTINE, UNFINISHED)):
                continue
            outside += entry.name.endswith((SEALED, UNFINISHED))
            try:
                used += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # relayed in between
    return outside, used


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
