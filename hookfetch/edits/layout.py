"""Lines of a value that no text of a file stands for yet, as `bst source track` writes them. Pure."""

from hookfetch.edits.document import Value
from hookfetch.edits.scalars import plain_or_quoted


def lines_of(value: Value) -> list[str]:
    """Return a value as lines of block style without indentation: lists stand under their key, not
    deeper, which is how BuildStream's own round trip does it."""
    if isinstance(value, str):
        return [plain_or_quoted(value)]
    if not value:
        return ["{}" if isinstance(value, dict) else "[]"]
    if isinstance(value, list):
        return [line for item in value for line in _under("- ", lines_of(item))]
    return [line for key, item in value.items() for line in _entry(plain_or_quoted(key), item)]


def _entry(key: str, value: Value) -> list[str]:
    lines = lines_of(value)
    if isinstance(value, str) or not value:
        return [f"{key}: {lines[0]}"]
    return [f"{key}:", *(lines if isinstance(value, list) else _under("  ", lines))]


def _under(first: str, lines: list[str]) -> list[str]:
    return [first + lines[0], *(" " * len(first) + line for line in lines[1:])]
