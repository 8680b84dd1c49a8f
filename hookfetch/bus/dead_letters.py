"""Dead letters in a folder, one JSON file each, for the in-process bus and for commands in other
processes beside it. It never decides what dies, and holds no file open between calls."""

import base64
import hashlib
import json
import os
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from hookfetch.core.errors import Busy, Temporary
from hookfetch.core.ports import DeadLetter

log = structlog.get_logger(__name__)

LIMIT = 10_000
LIMIT_BYTES = 4 * 1024**3
_DEAD, _REPLAYED = ".json", ".replay"
_LETTER = TypeAdapter(DeadLetter)


class DeadLetterFolder:
    """At most `limit` dead letters of together `limit_bytes` in the folder `path`, which is made when first
    written to. Those that were marked for a replay count until they are taken up.

    A letter's file is named by its message and origin: the same message dying again replaces
    its letter, while one event that dies in two projects has two. Every method blocks on the disk.
    """

    def __init__(self, path: Path, *, limit: int = LIMIT, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._limit_bytes = limit_bytes

    def add(self, letter: DeadLetter) -> None:
        """Return once `letter` is on disk (file and folder synced); Busy when the folder is full,
        Temporary when the disk refuses."""
        file = self._path / _file_name(letter)
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            data = _dump(letter)
            if not file.exists():
                self._require_room(len(data))
            _write(file, data)
        except OSError as error:
            raise Temporary(f"{self._path}: a dead letter cannot be kept: {error.strerror}") from error

    def letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first; a file that is none is logged and left."""
        return [letter for _, letter in self._sorted(f"*{_DEAD}")]

    def sift(self, letter: DeadLetter) -> bool:
        """Remove `letter` if it is still there as it was read; return whether it was."""
        file = self._path / _file_name(letter)
        if _read(file) != letter:
            return False
        file.unlink(missing_ok=True)
        _sync_folder(self._path)
        return True

    def replay(self, letter: DeadLetter) -> bool:
        """Mark `letter` to be taken up by the process that runs its project; return whether it was
        still there. Durable when it returns: a rename, so that it is never in neither place."""
        file = self._path / _file_name(letter)
        try:
            file.rename(file.with_suffix(_REPLAYED))
        except FileNotFoundError:
            return False
        _sync_folder(self._path)
        return True

    def replayed(self, origin: str, limit: int) -> list[DeadLetter]:
        """Return at most `limit` letters of `origin` that are marked to be taken up, the oldest first."""
        found = self._sorted(f"*-{_digest(origin)[:8]}{_REPLAYED}")
        return [letter for _, letter in found if letter.origin == origin][:limit]

    def taken_up(self, letter: DeadLetter) -> None:
        """Forget a marked letter whose message was handled, or has died again."""
        (self._path / _file_name(letter)).with_suffix(_REPLAYED).unlink(missing_ok=True)
        _sync_folder(self._path)

    def take(self, letter_id: str) -> DeadLetter | None:
        """Remove and return the oldest letter of the message `letter_id`, or None; of two processes
        that ask at once one gets it."""
        found = self._sorted(f"{_digest(letter_id)}-*{_DEAD}")
        if not found:
            return None
        file, letter = found[0]
        try:
            file.unlink()
        except FileNotFoundError:
            return None
        _sync_folder(self._path)
        return letter

    def _require_room(self, wanted: int) -> None:
        count = used = 0
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name.endswith((_DEAD, _REPLAYED)):
                    count += 1
                    used += entry.stat(follow_symlinks=False).st_size
        if count >= self._limit or used + wanted > self._limit_bytes:
            raise Busy(
                f"{self._path}: holds {count} dead letters, {used} bytes, and no more: replay or drop some "
                "(what is replayed counts until its project takes it up)"
            )

    def _sorted(self, pattern: str) -> list[tuple[Path, DeadLetter]]:
        found = [(file, letter) for file in self._path.glob(pattern) if (letter := _read(file))]
        return sorted(found, key=lambda item: item[1].failed_at)


def _file_name(letter: DeadLetter) -> str:
    return f"{_digest(letter.id)}-{_digest(letter.origin)[:8]}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _dump(letter: DeadLetter) -> bytes:
    # Base64: a spooled delivery is bytes, and need not be text.
    fields = {
        "id": letter.id,
        "origin": letter.origin,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "failed_at": letter.failed_at,
        "body": base64.b64encode(letter.body).decode(),
    }
    return json.dumps(fields).encode()


def _read(file: Path) -> DeadLetter | None:
    try:
        fields = json.loads(file.read_bytes())
        return _LETTER.validate_python({**fields, "body": base64.b64decode(fields["body"], validate=True)})
    except FileNotFoundError:
        return None  # taken by another process in between
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("dead_letter_unreadable", path=str(file), reason=f"{type(error).__name__}: {error}"[:500])
        return None


def _write(file: Path, data: bytes) -> None:
    # One temporary name a letter: what a crash leaves behind, the next burial of it overwrites.
    temporary = file.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
    _sync_folder(file.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
