"""The version in a tag."""

import time

import pytest

from hookfetch.core.versions import version_of


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("V2", "2"),
        ("v.1.2", "1.2"),
        ("v2.0.0-rc.1+build.5", "2.0.0-rc.1+build.5"),
        ("2024-05-01", "2024-05-01"),
        ("release/2024-05", "2024-05"),
        ("pkg/a/v1.2.3", "1.2.3"),
        ("@scope/lib@1.2.3", "1.2.3"),
        ("business-2.1.8.0", "2.1.8.0"),
        ("gnu-tar_v1.35", "1.35"),
        ("python3-3.12.0b1", "3.12.0b1"),
        ("boost_1_84_0", "1.84.0"),
        ("libxml2-v2.9-rc1", "2.9-rc1"),
        ("nightly", None),
        ("latest-build", None),
        ("v1.0/foo", None),
        ("go1.22", "1.22"),
        ("", None),
    ],
)
def test_a_leading_name_or_v_is_no_part_of_the_version(tag: str, version: str | None) -> None:
    assert version_of(tag) == version


@pytest.mark.parametrize("tag", ["a-" * 2048, "a/" * 2048, "v" * 4096, "a" * 4096, "-_" * 2048])
def test_a_hostile_tag_takes_no_time(tag: str) -> None:
    started = time.process_time()
    assert version_of(tag) is None
    assert time.process_time() - started < 1
