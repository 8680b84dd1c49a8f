"""The first field of a storage's requests, read and cut from their bytes; the rest is not looked at.

In each it is a text with the number 1: `instance_name` (Remote Execution API v2), or a stream's
`resource_name`, which begins with one. https://protobuf.dev/programming-guides/encoding
"""

_TAG = 0x0A  # number 1, length-delimited
_MOST_LENGTH = 10_000  # bytes


def first_text(message: bytes) -> str:
    """Return the field's text if a message begins with it, as every writer writes it; else an empty one."""
    place = _place(message)
    return "" if place is None else message[place[0] : place[1]].decode("utf-8", "replace")


def without_instance(message: bytes, instance: str) -> bytes:
    """Return a message whose field is, or begins with, the name of an instance, without that name."""
    place = _place(message)
    assert place is not None
    left = message[place[0] : place[1]][len(instance.encode()) :].removeprefix(b"/")
    rest = message[place[1] :]
    return bytes((_TAG, *_varint(len(left)))) + left + rest if left else rest


def _place(message: bytes) -> tuple[int, int] | None:
    """Return where the field's text begins and ends."""
    if len(message) < 2 or message[0] != _TAG:
        return None
    length, at = 0, 1
    for shift in (0, 7):
        if at >= len(message):
            return None
        byte = message[at]
        length |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return (at, at + length) if length <= _MOST_LENGTH and at + length <= len(message) else None
    return None


def _varint(number: int) -> list[int]:
    return [number] if number < 0x80 else [number & 0x7F | 0x80, number >> 7]
