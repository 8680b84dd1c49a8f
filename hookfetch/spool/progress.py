"""How much of a segment is done, kept beside it in a file of 12 bytes.

Never fsynced: a position that is lost or torn by a power failure only brings deliveries
back, and their ids make that harmless. Blocking: called in a thread.
"""

import os
import struct
import zlib
from pathlib import Path

PROGRESS = ".done"

_NUMBER = struct.Struct(">Q")
_BYTES = _NUMBER.size + 4


def load_progress(segment: Path) -> int:
    """Return the offset up to which everything in `segment` is done, 0 when that is not known."""
    try:
        data = _beside(segment).read_bytes()
    except FileNotFoundError:
        return 0
    number = data[: _NUMBER.size]
    if len(data) != _BYTES or zlib.crc32(number).to_bytes(4, "big") != data[_NUMBER.size :]:
        return 0
    return int(_NUMBER.unpack(number)[0])


def save_progress(segment: Path, offset: int) -> None:
    """Remember that everything in `segment` before `offset` is done; OSError when that fails."""
    number = _NUMBER.pack(offset)
    fd = os.open(_beside(segment), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, number + zlib.crc32(number).to_bytes(4, "big"), 0)
    finally:
        os.close(fd)


def forget_segment(segment: Path) -> None:
    """Delete a segment that is done, and its progress after it; OSError when that fails."""
    # In this order: progress without a segment is litter, a segment without progress comes back whole.
    segment.unlink(missing_ok=True)
    forget_progress(segment)


def forget_progress(segment: Path) -> None:
    """Delete the progress of a segment that is no longer there."""
    _beside(segment).unlink(missing_ok=True)


def drop_litter(directory: Path) -> None:
    """Delete progress files whose segment is gone."""
    for path in directory.glob(f"*{PROGRESS}"):
        if not path.with_name(path.name.removesuffix(PROGRESS)).exists():
            path.unlink(missing_ok=True)


def _beside(segment: Path) -> Path:
    return segment.with_name(segment.name + PROGRESS)
