"""What hookfetch would write into a file whose refs changed: `hookfetch inspect edit`.

Changes come as commits tell of them: per source its kind, and url, ref and other keys before and after.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from hookfetch import edits
from hookfetch.edits import Change, Path, Refused

MAX_LINE = 16 * 1024 * 1024  # bytes: a file of 4 MiB in JSON, whatever its characters, and its changes
MAX_CHANGES = 10_000

_DIGITS = re.compile(r"[0-9]+|[^0-9]+")


def bounded_lines(stream: BinaryIO, limit: int = MAX_LINE) -> Iterator[bytes]:
    """Yield the lines of a stream; of one over `limit` bytes only so many and one, so that it can be told."""
    while line := stream.readline(limit + 1):
        yield line
        while len(line) > limit and not line.endswith(b"\n"):
            line = stream.readline(limit + 1)


def inspect_edits(lines: Iterable[bytes]) -> Iterator[str]:
    """Yield one JSON line for each of `lines`, in order, without its line feed.

    In: `id`, `path` of the file in its project, `text`, `changes` and `variables`. A change has
    `source_path` (`sources/0`; in project.refs `projects/<project>/<element>/0`) or `source_index`,
    `kind`, `url_before`, `url_after`, `ref_before`, `ref_after`, `ref_list` (`removed` and `added`
    items) and `other_keys` (key to before and after); `variables` are name to before and after.
    Out: `id`, `outcome` (`ok` or `refused`), `reason` if refused, `text` if not.
    """
    for line in lines:
        request: Mapping[str, Any] = {}
        try:
            request = _object(line)
            text = _edited(request)
        except Refused as error:
            yield _answer(request, "refused", reason=str(error))
        except RecursionError:
            yield _answer(request, "refused", reason="the line has collections too deep in each other")
        else:
            yield _answer(request, "ok", text=text)


def _answer(
    request: Mapping[str, Any], outcome: str, *, reason: str | None = None, text: str | None = None
) -> str:
    name = request.get("id")
    return json.dumps(
        {
            "id": name if isinstance(name, str | int) else None,
            "outcome": outcome,
            "reason": reason,
            "text": text,
        }
    )


def _object(line: bytes) -> Mapping[str, Any]:
    if len(line) > MAX_LINE:
        raise Refused(f"the line has more than {MAX_LINE} bytes")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused("the line is not JSON") from error
    if not isinstance(request, dict):
        raise Refused("the line is not a JSON object")
    return request


def _edited(request: Mapping[str, Any]) -> str:
    text, changes, variables = request.get("text"), request.get("changes"), request.get("variables")
    if not isinstance(text, str):
        raise Refused("text is not a text")
    if not isinstance(changes, list) or not all(isinstance(change, dict) for change in changes):
        raise Refused("changes is not a list of objects")
    if not isinstance(variables, dict | None):
        raise Refused("variables is neither an object nor null")
    if len(changes) + len(variables or ()) > MAX_CHANGES:
        raise Refused(f"there are more than {MAX_CHANGES} changes")
    document = edits.parse(text)
    asked = [made for change in changes for made in _changes(document, change)]
    for name, pair in (variables or {}).items():
        before, after = _pair(pair, name)
        asked.append(edits.change_of(document, ("variables",), name, before, after))
    return edits.edited_document(text, document, asked)


def _changes(document: edits.Mapping, change: Mapping[str, Any]) -> Iterator[Change]:
    pairs = {
        "url": (change.get("url_before"), change.get("url_after")),
        "ref": (change.get("ref_before"), change.get("ref_after")),
    }
    others = change.get("other_keys") or {}
    if not isinstance(others, dict):
        raise Refused("other_keys is not an object")
    pairs |= {key: _pair(pair, key) for key, pair in others.items()}
    kind = change.get("kind")
    source = _source(document, change, kind, {key: before for key, (before, _) in pairs.items()})
    there = edits.value_at(document.value, source)
    if not isinstance(there, dict) or (kind and there.get("kind", kind) != kind):
        raise Refused(f"{'/'.join(map(str, source))} is no source of kind {kind} in this text")
    if there.get("url", pairs["url"][0]) not in pairs["url"]:
        raise Refused(f"{'/'.join(map(str, source))} has the url {there['url']!r}, not {pairs['url'][0]!r}")
    before, after = pairs.pop("ref")
    for key, (old, new) in pairs.items():
        if old != new:
            yield edits.change_of(document, source, key, old, new)
    if after is None and "ref_list" in change:
        before = there.get("ref")
        after = _patched(before, change["ref_list"])
    if before != after:
        for ref in before, after:
            if isinstance(ref, dict) and "long_string" in ref:
                raise Refused("the change gives a digest of the ref, not the ref")
        yield from edits.ref_changes(document, source, _ref(before), _ref(after))


def _ref(value: Any) -> Any:
    return {"ref": value} if isinstance(value, dict) else value  # a mapping alone would be keys of the source


def _source(document: edits.Mapping, change: Mapping[str, Any], kind: object, before: dict[str, Any]) -> Path:
    place = change.get("source_path")
    if place is None:
        place = f"sources/{change.get('source_index')}"
    if not isinstance(place, str) or not isinstance(kind, str | None):
        raise Refused("source_path and kind are texts")
    known = {key: value for key, value in before.items() if isinstance(value, str)}
    path = edits.locate(document, place)
    if path is None and kind and not isinstance(document.value.get("sources"), list):
        path = edits.find_source(document, kind, known)
    if path is None:
        raise Refused(f"{place[:200]} is not in this text; if it is included, change the included file")
    return path


def _pair(value: object, name: str) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise Refused(f"{name} is not a list of before and after")
    return value[0], value[1]


def _patched(before: object, difference: object) -> list[Any]:
    """Return the list without `removed` and with `added` items, which stand by name and version among
    the others, as in a lock file."""
    removed, added = (
        (difference.get("removed"), difference.get("added")) if isinstance(difference, dict) else (None, None)
    )
    if not isinstance(before, list) or not isinstance(removed, list) or not isinstance(added, list):
        raise Refused("the change does not say which items of the list come and go, or there is no list")
    gone = Counter(json.dumps(item, sort_keys=True) for item in removed)
    kept = []
    for item in before:
        key = json.dumps(item, sort_keys=True)
        if gone[key]:
            gone[key] -= 1
        else:
            kept.append(item)
    if gone.total():
        raise Refused(f"the list does not hold {next(gone.elements())[:80]}")
    places = [_order(item) for item in before]
    if places != sorted(places):
        raise Refused("the list is in no order by name, so the change does not say where items belong")
    return sorted([*kept, *added], key=_order)


def _order(item: Any) -> tuple[str, list[tuple[int, str]]]:
    name, version = (item.get("name"), item.get("version")) if isinstance(item, dict) else (item, None)
    if not isinstance(name, str):
        raise Refused("the list has items without a name, so the change does not say where items belong")
    parts = _DIGITS.findall(str(version))
    return name, [(int(part[:18]), "") if part.isdecimal() else (-1, part) for part in parts]
