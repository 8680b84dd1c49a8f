"""Refs in JSON and back to the keys a plugin writes."""

import pytest
from pydantic import JsonValue

from hookfetch.engine.addresses import is_remote
from hookfetch.engine.refs import from_json, to_json

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


@pytest.mark.parametrize(
    "url",
    [
        *("https://a.example/x.git", "http://127.0.0.1:8080/x", "ssh://git@a.example/x", "git://a.example/x"),
        *("git@a.example:group/x.git", "ftp://a.example/x.tar", "HTTPS://A.EXAMPLE/x"),
    ],
)
def test_other_machines_are_remote(url: str) -> None:
    assert is_remote(url)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/hostname", "/etc/hostname", "../x.git", "--upload-pack=touch x", "", "https:///x"),
        *("ext::sh -c touch% x", "fd::17", "--upload-pack=touch:x", "http://[::1"),
    ],
)
def test_paths_options_and_programs_are_not(url: str) -> None:
    assert not is_remote(url)
