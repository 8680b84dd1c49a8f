"""Refs between BuildStream's form and the JSON form that events and jobs carry. Pure.

A source's ref is what its plugin writes into the source. Where that is the one key `ref` with
a text or a list, the JSON form is that value (`"1f0c…"`); where it is anything else, it is
the mapping of those keys as they stand in the file: `{"ref": "1f0c…", "tags": […]}` for a
git source with tags, `{"ref": {"sha256sum": …, "suffix": …}}` for pypi,
`{"sha256sum": …, "suffix": …}` for cpan. So a mapping is always keys, never a value.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from hookfetch.core.sources import Ref


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
