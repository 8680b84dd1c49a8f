"""A verified body, and typed reads of its fields. Pure, and never guesses a missing one.

Only the fields that a forge's reader asks for are looked at; whatever else a payload holds
may change its shape without notice. A body is never turned into Python values as a whole: a
million small values would take twenty times the body's memory. An object is read into one
place for each name in `KEYS`, holding the bytes of its value, and a value is decoded when it
is asked for; the rest is skipped and costs nothing.
"""

import codecs
import re
from collections.abc import Iterator
from typing import cast

import msgspec

from hookfetch.core.errors import Rejected
from hookfetch.forges.vocabulary import KEYS

_LONGEST = 4096  # characters; git and the forges stay below for refs, URLs and names
_LONGEST_ENCODED = 6 * _LONGEST + 2  # bytes; each character may be written as \uXXXX
MOST_ITEMS = 10_000  # of a list; a push of more refs is left to the sweep
_SHORT_LIST = 16 * 1024  # bytes; below, a list may consist of anything
_ITEM_BYTES = 32  # of a longer list for each of its commas: less is no list of changes
_CHUNK = 64 * 1024
# Control characters would break logs and headers, and a lone surrogate cannot be encoded again.
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
# SHA-1 and SHA-256 names have 40 and 64 digits; which one a repository uses is not said in every payload.
_OBJECT_NAME = re.compile(r"[0-9a-fA-F]{1,64}")

_ABSENT = msgspec.Raw(b"")
# An escaped surrogate: a pair of them, or (group 1) one alone; pairs of backslashes before it are no part.
_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*+"
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_MOST_SURROGATES = 100_000


class Fields(msgspec.Struct):
    """An object of a payload, whose values are still the bytes that were sent."""


_Object = cast(
    "type[Fields]",
    msgspec.defstruct("_Object", [(key, msgspec.Raw, _ABSENT) for key in KEYS], bases=(Fields,), gc=False),
)
_NOTHING = _Object()
_OBJECT = msgspec.json.Decoder(_Object)
_TEXT = msgspec.json.Decoder(str)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def load_object(body: bytes) -> Fields:
    """Return the JSON object in `body` (UTF-8); Rejected with code `body` when it holds none.

    The memory it takes does not depend on what `body` holds.
    """
    try:
        if not body.isascii():
            _check_encoding(body)
        try:
            return _OBJECT.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return _OBJECT.decode(_without_lone_surrogates(body))
    except msgspec.ValidationError as error:
        raise Rejected("body", "the body is not a JSON object") from error
    except (ValueError, RecursionError) as error:
        raise Rejected("body", "the body is not JSON, or is nested too deeply") from error


def _check_encoding(body: bytes) -> None:
    # In pieces: one character of four bytes makes Python's text of the whole four times as large.
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for start in range(0, len(body), _CHUNK):
        decoder.decode(view[start : start + _CHUNK])
    decoder.decode(b"", final=True)


def _without_lone_surrogates(body: bytes) -> bytearray:
    """Return `body` with a NUL, which no usable text holds, for each half of a character: forges cut
    texts short, and what else such a delivery says is still true."""
    mended = bytearray(body)
    for count, found in enumerate(_SURROGATE.finditer(body)):
        if count == _MOST_SURROGATES:
            break
        if found[1]:
            mended[found.start(1) : found.end(1)] = b"\\u0000"
    return mended


def section(fields: Fields, key: str) -> Fields:
    """Return the object under `key`; an empty one where there is none."""
    return _object(getattr(fields, key)) or _NOTHING


def required_section(fields: Fields, key: str) -> Fields:
    """Return the object under `key`; Rejected with code `forge` where there is none."""
    value = _object(getattr(fields, key))
    if value is None:
        raise missing(key)
    return value


def _object(value: msgspec.Raw) -> Fields | None:
    if not value:
        return None
    try:
        return _OBJECT.decode(value)
    except msgspec.DecodeError:
        return None


def sections(fields: Fields, key: str) -> Iterator[Fields]:
    """Yield the objects of the list under `key`, one at a time; Rejected with code `forge` where
    there is no list, one of more than MOST_ITEMS, or something else in it."""
    for ordinal, item in enumerate(_items(fields, key)):
        value = _object(item)
        if value is None:
            raise missing(f"{key}[{ordinal}]")
        yield value


def listed_texts(fields: Fields, key: str) -> list[str]:
    """Return the usable texts in the list under `key`; Rejected with code `forge` as `sections` does."""
    return [value for value in map(_text, _items(fields, key)) if value is not None]


def _items(fields: Fields, key: str) -> list[msgspec.Raw]:
    value: msgspec.Raw = getattr(fields, key)
    size = len(value)
    if size > _SHORT_LIST and bytes(value).count(b",") * _ITEM_BYTES > size:
        raise Rejected("forge", f"the payload's {key!r} has too many parts")
    try:
        items = _LIST.decode(value) if value else None
    except msgspec.DecodeError:
        items = None
    if items is None:
        raise missing(key)
    if len(items) > MOST_ITEMS:
        raise Rejected("forge", f"the payload's {key!r} has more than {MOST_ITEMS} parts")
    return items


def has(fields: Fields, key: str) -> bool:
    """Return whether the payload says anything under `key`, be it null."""
    return bool(getattr(fields, key))


def text(fields: Fields, key: str) -> str | None:
    """Return the text under `key`, or None where it is absent, empty or unusable (control
    characters, more than 4096 characters)."""
    return _text(getattr(fields, key))


def _text(encoded: msgspec.Raw) -> str | None:
    if not 0 < len(encoded) <= _LONGEST_ENCODED:
        return None
    try:
        return usable(_TEXT.decode(encoded))
    except msgspec.DecodeError:
        return None


def usable(value: str | None) -> str | None:
    """Return `value` if it is a text that may be passed on, None otherwise."""
    if not value or len(value) > _LONGEST or _UNUSABLE.search(value):
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
    value: msgspec.Raw = getattr(fields, key)
    if not 4 <= len(value) <= 5:
        return None
    return {b"true": True, b"false": False}.get(bytes(value))


def texts(fields: Fields, keys: tuple[str, ...]) -> list[str]:
    """Return the usable texts under `keys`, in that order."""
    return [value for value in (text(fields, key) for key in keys) if value is not None]


def missing(key: str) -> Rejected:
    """Return the refusal of a payload without a usable `key`."""
    return Rejected("forge", f"the payload has no usable {key!r}")
