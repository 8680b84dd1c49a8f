"""Refs in JSON and back to the keys a plugin writes."""

import pytest
from pydantic import JsonValue

from hookfetch.core.refs import from_json, to_json

CASES: list[tuple[dict[str, JsonValue], JsonValue]] = [
    ({"ref": "1f0c"}, "1f0c"),
    ({"ref": [{"name": "a", "sha": "1"}]}, [{"name": "a", "sha": "1"}]),
    ({"ref": "1f0c", "tags": [{"tag": "v1"}]}, {"ref": "1f0c", "tags": [{"tag": "v1"}]}),
    ({"ref": {"sha256sum": "1", "suffix": "a"}}, {"ref": {"sha256sum": "1", "suffix": "a"}}),
    ({"sha256sum": "1", "suffix": "a"}, {"sha256sum": "1", "suffix": "a"}),
]


@pytest.mark.parametrize(("keys", "ref"), CASES)
def test_a_ref_goes_to_json_and_back(keys: dict[str, JsonValue], ref: JsonValue) -> None:
    assert to_json(keys) == ref
    assert from_json(ref) == keys


def test_no_ref_is_none_both_ways() -> None:
    assert to_json(None) is None
    assert from_json(None) is None
