"""A verified body as plain values, and typed reads of its fields. Pure, and never guesses a missing one.

Only the fields that a forge's reader asks for are looked at; whatever else a payload holds
may change its shape without notice.
"""

import json
import re
from collections.abc import Mapping

from hookfetch.core.errors import Rejected

Fields = Mapping[str, object]

_NOTHING: Fields = {}
_LONGEST = 4096  # characters; git and the forges stay below for refs, URLs and names
# Control characters would break logs and headers, and a lone surrogate cannot be encoded again.
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
# SHA-1 and SHA-256 names have 40 and 64 digits; which one a repository uses is not said in every payload.
_OBJECT_NAME = re.compile(r"[0-9a-fA-F]{1,64}")


def load_object(body: bytes) -> Fields:
    """Return the JSON object in `body` (UTF-8); Rejected with code `body` when it holds none."""
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Rejected("body", "the body is not JSON, or is nested too deeply") from error
    if not isinstance(document, dict):
        raise Rejected("body", "the body is not a JSON object")
    return document


def section(fields: Fields, key: str) -> Fields:
    """Return the object under `key`; an empty one where there is none."""
    value = fields.get(key)
    return value if isinstance(value, dict) else _NOTHING


def required_section(fields: Fields, key: str) -> Fields:
    """Return the object under `key`; Rejected with code `forge` where there is none."""
    value = fields.get(key)
    if not isinstance(value, dict):
        raise missing(key)
    return value


def text(fields: Fields, key: str) -> str | None:
    """Return the text under `key`, or None where it is absent, empty or unusable (control
    characters, more than 4096 characters)."""
    value = fields.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or _UNUSABLE.search(value):
        return None
    return value


def required_text(fields: Fields, key: str) -> str:
    """Return the text under `key`; Rejected with code `forge` where there is no usable one."""
    value = text(fields, key)
    if value is None:
        raise missing(key)
    return value


def object_name(fields: Fields, key: str) -> str | None:
    """Return the hexadecimal name of a git object under `key`, or None."""
    value = text(fields, key)
    return value if value is not None and _OBJECT_NAME.fullmatch(value) else None


def required_object_name(fields: Fields, key: str) -> str:
    """Return the hexadecimal name of a git object under `key`; Rejected with code `forge` without."""
    value = object_name(fields, key)
    if value is None:
        raise missing(key)
    return value


def flag(fields: Fields, key: str) -> bool | None:
    """Return the boolean under `key`, or None where the forge does not say."""
    value = fields.get(key)
    return value if isinstance(value, bool) else None


def texts(fields: Fields, keys: tuple[str, ...]) -> list[str]:
    """Return the usable texts under `keys`, in that order."""
    return [value for value in (text(fields, key) for key in keys) if value is not None]


def missing(key: str) -> Rejected:
    """Return the refusal of a payload without a usable `key`."""
    return Rejected("forge", f"the payload has no usable {key!r}")
