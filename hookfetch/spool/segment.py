"""Segment files: their names, and reading deliveries out of them past whatever is damaged.

A segment is only ever appended to, by the one process that made it. Blocking: called in a
thread. It never deletes or changes a segment; damaged bytes are copied to a file beside it.
"""

import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent
from hookfetch.spool.record import (
    HEADER_BYTES,
    decode_deliveries,
    is_torn,
    is_whole,
    next_whole_frame,
    read_header,
)

# Written by a spool's owner, growing while the owner lives; its tail may be torn afterwards.
OWN = ".segment"
# Written from outside, complete before it got its name.
SEALED = ".sealed"
QUARANTINE = ".damaged"

_log = structlog.get_logger(__name__)


def segment_name(after: int) -> str:
    """Return a stem that no other opener makes and that sorts after a segment made at `after`
    (nanoseconds of Unix time), even if the clock went back since."""
    return f"{max(time.time_ns(), after + 1):020d}-{os.getpid()}-{secrets.token_hex(4)}"


def made_at(path: Path) -> int:
    """Return the nanoseconds of Unix time in a segment's name; 0 when it has none."""
    digits = path.name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a segment to read: bytes `start` up to `end`. `crashed` says that its writer
    is gone, so that the last record may be one that was never finished."""

    path: Path
    start: int
    end: int
    crashed: bool


@dataclass(slots=True)
class Reading:
    """What a stretch held: groups of deliveries with their offsets, how many and how large they
    are together, where to read on, and how many bytes were set aside."""

    next: int
    groups: list[tuple[int, list[Delivery]]] = field(default_factory=list)
    count: int = 0
    body_bytes: int = 0
    damaged: int = 0


def read_stretch(stretch: Stretch, limit: int, budget: int) -> Reading:
    """Read whole groups until there are `limit` deliveries or `budget` bytes of bodies.

    Damaged bytes are logged, copied to a side file and stepped over. OSError when the disk
    fails, also when it has no room for the side file: then nothing was stepped over.
    """
    reading = Reading(next=stretch.start)
    fd = os.open(stretch.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while reading.next < stretch.end and reading.count < limit and reading.body_bytes < budget:
            found = read_group(fd, reading.next, stretch.end)
            if found is None:
                _step_over(fd, stretch, reading)
                continue
            group, end = found
            reading.groups.append((reading.next, group))
            reading.next = end
            reading.count += len(group)
            reading.body_bytes += sum(len(delivery.body) for delivery in group)
    finally:
        os.close(fd)
    return reading


def read_group(fd: int, offset: int, end: int) -> tuple[list[Delivery], int] | None:
    """Return the group at `offset` of a file of `end` bytes and where the next one begins, or None
    when there is no whole, undamaged one."""
    header = read_header(os.pread(fd, HEADER_BYTES, offset))
    if header is None:
        return None
    begin = offset + HEADER_BYTES
    if begin + header.length > end:
        return None
    payload = os.pread(fd, header.length, begin)
    if not is_whole(header, payload):
        return None
    try:
        return decode_deliveries(payload), begin + header.length
    except Permanent:
        return None  # set aside by the caller like any other damage


def _step_over(fd: int, stretch: Stretch, reading: Reading) -> None:
    rest = os.pread(fd, stretch.end - reading.next, reading.next)
    header = read_header(rest)
    # A header that is right says how far the damage goes; past a wrong one, search from its second byte.
    size = next_whole_frame(rest, HEADER_BYTES + header.length if header else 1)
    if size == len(rest) and stretch.crashed and is_torn(rest):
        _log.info("spool_tail_cut", segment=stretch.path.name, offset=reading.next, bytes=size)
    else:
        aside = stretch.path.with_name(f"{stretch.path.name}.{reading.next}{QUARANTINE}")
        _set_aside(aside, rest[:size])
        reading.damaged += size
        _log.error(
            "spool_damaged", segment=stretch.path.name, offset=reading.next, bytes=size, kept_in=aside.name
        )
    reading.next += size


def _set_aside(path: Path, data: bytes) -> None:
    # The same damage has the same name, so a second reading after a restart overwrites the first copy.
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def segment_files(directory: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Return the files in `directory` that end so, and their sizes in bytes, oldest segment first."""
    with os.scandir(directory) as entries:
        return sorted(
            (Path(entry.path), entry.stat().st_size) for entry in entries if entry.name.endswith(suffixes)
        )
