"""A project's own word on its policy: `hookfetch.toml` at its top, and the `hookfetch` domain of elements'
public data. Foreign text: bounded, and checked before anything of it is used."""

import os
import stat
from pathlib import Path

from pydantic import JsonValue, ValidationError

from hookfetch.config.policy import PolicyKeysConfig, first_mistake, parse_project_file
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.policy import PROJECT_FILE, PolicyKeys, PolicyRule

DOMAIN = "hookfetch"  # of `public:`

_MOST_BYTES = 256 * 1024


def rules_of(project: Path) -> tuple[PolicyRule, ...]:
    """Return the rules in the project's file, none without one; ConfigurationError names file and key."""
    try:
        text = _read(project / PROJECT_FILE)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigurationError(f"{PROJECT_FILE}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # no plain file, no UTF-8, too long
        raise ConfigurationError(f"{PROJECT_FILE}: {error}") from error
    return tuple(rule.rule() for rule in parse_project_file(text).policy)


def keys_of(element: str, data: JsonValue) -> tuple[PolicyKeys | None, str | None]:
    """Return what an element's public data say, or None and what is wrong with them; `data` is None where
    there are none."""
    if data is None:
        return None, None
    try:
        return PolicyKeysConfig.model_validate(data).keys(), None
    except ValidationError as error:
        return None, f"{element}: public: {DOMAIN}: {first_mistake(error)}"


def _read(path: Path) -> str:
    # The project's: it may be a link to elsewhere, or a pipe that nobody writes to.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no plain file")
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"is longer than {_MOST_BYTES} bytes")
    return data.decode("utf-8")
