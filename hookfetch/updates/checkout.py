"""The texts of a project in a folder: read within it, and written by one writer at a time, whole or not.

Nothing outside the folder is read or written: no `..`, no link, nothing of `.git`.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from hookfetch.core.errors import ConfigurationError
from hookfetch.edits import MAX_TEXT, Refused
from hookfetch.updates.places import PROJECT_CONF
from hookfetch.updates.planning import Edited

_MAX_BYTES = 4 * MAX_TEXT  # as many as so many characters may take in UTF-8


class Checkout:
    """The project in `folder`, as `places.Files`; ConfigurationError when it has no project.conf."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()
        if not (self._root / PROJECT_CONF).is_file():
            raise ConfigurationError(
                f"{folder} has no {PROJECT_CONF}: name the folder of a BuildStream project with --directory"
            )

    def read(self, path: str) -> str | None:
        """Return a file's text, None where there is none; Refused where it may not be, or is no text."""
        place = self._place(path)
        try:
            with place.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(f"cannot be read: {error.strerror}") from error
        if len(content) > _MAX_BYTES:
            raise Refused(f"has more than {_MAX_BYTES} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise Refused("is not UTF-8") from error

    def write(self, files: Sequence[Edited]) -> None:
        """Put each file's new text in its place at once; a crash leaves whole files, old or new.

        Refused, and nothing is written, when another one writes, or a file is not what it was when it was
        read; also where a file cannot be written.
        """
        with self._only_writer():
            for edited in files:
                if self.read(edited.path) != edited.before:
                    raise Refused(f"{edited.path} has just been changed: nothing was written, do it again")
            for edited in files:
                try:
                    _replace(self._place(edited.path), edited.after)
                except OSError as error:
                    raise Refused(f"{edited.path} cannot be written: {error.strerror}") from error

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        folder = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise Refused(f"another hookfetch is writing refs in {self._root}: do it again") from error
        finally:
            os.close(folder)

    def _place(self, path: str) -> Path:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or not path.isprintable() or path.startswith("/"):
            raise Refused("is no path within the project")
        if any(part in ("..", ".git") for part in parts):
            raise Refused("leads out of the project's files")
        place = self._root.joinpath(*parts)
        try:
            resolved = place.resolve()
        except (OSError, RuntimeError) as error:
            raise Refused("leads nowhere") from error
        if resolved != place:
            raise Refused("is, or stands behind, a link: hookfetch follows none")
        return place


def _replace(place: Path, text: str) -> None:
    partial = place.with_name(f".{place.name}.hookfetch")  # of the only writer, or of one that was killed
    partial.unlink(missing_ok=True)
    with partial.open("xb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    if place.exists():
        shutil.copymode(place, partial)
    partial.replace(place)
