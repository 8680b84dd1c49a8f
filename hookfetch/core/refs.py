"""BuildStream refs as values: what keys of a source one stands for, and what commit it holds. Pure.

A source's ref is what its plugin writes into the source. Where that is the one key `ref` with
a text or a list, the JSON form, which events and jobs carry, is that value (`"1f0c…"`); where it is
anything else, it is the mapping of those keys as they stand in the file: `{"ref": "1f0c…", "tags": […]}`
for a git source with tags, `{"ref": {"sha256sum": …, "suffix": …}}` for pypi,
`{"sha256sum": …, "suffix": …}` for cpan. So a mapping is always keys, never a value.
"""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from hookfetch.core.sources import Ref

_COMMIT = re.compile(r"(?:^|-g)([0-9a-f]{40}|[0-9a-f]{64})$")


def to_json(keys: Mapping[str, JsonValue] | None) -> Ref:
    """Return the JSON form of the keys that a plugin writes; None for a source without a ref."""
    if not keys:
        return None
    value = keys.get("ref")
    if len(keys) == 1 and value is not None and not isinstance(value, dict):
        return value
    return dict(keys)


def from_json(ref: Ref) -> dict[str, JsonValue] | None:
    """Return the keys that `ref` stands for in a source; None when it is None."""
    if ref is None:
        return None
    if isinstance(ref, dict):
        return dict(ref)
    return {"ref": ref}


def holds(ref: Ref, commit: str) -> bool:
    """Return whether `ref` names `commit`: the id itself, the end of a `git describe`
    (`v1.2-3-g<id>`), or either of them anywhere in a list or mapping."""
    if isinstance(ref, str):
        return ref == commit or ref.endswith(f"-g{commit}")
    if isinstance(ref, list):
        return any(holds(item, commit) for item in ref)
    if isinstance(ref, dict):
        return any(holds(item, commit) for item in ref.values())
    return False


def commit_of(ref: Ref) -> str | None:
    """Return the one commit that a git source's `ref` is at, None where it is not so written."""
    if isinstance(ref, dict):
        ref = ref.get("ref")
    found = _COMMIT.search(ref) if isinstance(ref, str) else None
    return None if found is None else found[1]
