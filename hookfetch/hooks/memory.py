"""Which hooks were made and which secret each was given: one JSON file a hook, no secrets in it.

A secret is known by when its file was written: a rename keeps that, a new secret under an old name does not.
"""

import json
import os
from pathlib import Path

from hookfetch.core.errors import ConfigurationError
from hookfetch.forges.api.values import Target


class Memory:
    """What was told to the forge of one hook. A lost file costs one needless update a target."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._told: dict[str, tuple[int, int | None]] = {}  # the hook, and nanoseconds of Unix time

    @classmethod
    def of(cls, file: Path) -> "Memory":
        """Return what `file` holds, nothing if there is none; ConfigurationError when it cannot be read."""
        memory = cls(file)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            memory._told = {
                name: (int(entry["hook"]), entry.get("written")) for name, entry in content.items()
            }
        except FileNotFoundError:
            pass
        except (
            OSError,
            ArithmeticError,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ConfigurationError(f"{file}: cannot be read, remove it: {error}") from error
        return memory

    def made(self, target: Target) -> int | None:
        """Return the id of the hook that was made or taken over at `target`."""
        entry = self._told.get(_name(target))
        return entry[0] if entry else None

    def told(self, target: Target, secret_file: Path | None) -> bool:
        """Return whether the hook there was given the secret in `secret_file`."""
        entry = self._told.get(_name(target))
        return entry is not None and secret_file is not None and entry[1] == _written(secret_file)

    def note(self, target: Target, hook: int, secret_file: Path) -> None:
        """Remember, on disk, that `hook` has the secret in `secret_file`."""
        self._told[_name(target)] = (hook, _written(secret_file))
        self._write()

    def forget(self, target: Target) -> None:
        """Remember that there is no hook any more."""
        if self._told.pop(_name(target), None) is not None:
            self._write()

    def _write(self) -> None:
        content = {name: {"hook": hook, "written": written} for name, (hook, written) in self._told.items()}
        fresh = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(content, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)
        except OSError as error:
            raise ConfigurationError(f"{self._file}: cannot be written: {error.strerror}") from error


def _written(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be looked at: {error.strerror}") from error


def _name(target: Target) -> str:
    return f"{target.kind} {target.path}"
