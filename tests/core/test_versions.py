"""The order of versions, how tags and files spell them, and which of them are pre-releases."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.core.versions import Spelled, Version, in_file, in_tag, in_text, is_prerelease

# Each is older than the next; the first ones are the table in libversion's documentation.
ORDERED = [
    ["1.0alpha1", "1.0beta1", "1.0", "1.0patch1", "1.0.1", "1.0a", "1.0b", "1.1", "1.2"],
    ["3.37.2", "3.38.0", "40.alpha", "40.beta", "40.rc", "40.0", "40.10", "45.0"],
    ["3.12.0a7", "3.12.0b1", "3.12.0rc2", "3.12.0", "3.12.10", "3.13.0"],
    ["1.1.1", "1.1.1k", "1.1.1w", "3.0.0-alpha1", "3.0.0"],
    ["6.9-rc7", "6.9", "6.9.1", "6.10-rc1", "6.10"],
    ["2.0.0~beta1", "2.0.0-rc1", "2.0.0", "2.0.0.post1", "2.0.1"],
    ["20240101", "20240201", "20250124"],
    ["2023.11.03", "2024.2", "2024.10"],
    ["128.13.0esr", "140.1.0esr"],
    ["9.9", "9.10", "10"],
    ["0.9", "0.99", "1.0"],
    ["1.0.0-9", "1.0.0-10"],
    ["1", "9" * 300],
]


@pytest.mark.parametrize("versions", ORDERED, ids=lambda versions: versions[0])
def test_versions_are_in_order(versions: list[str]) -> None:
    for older, newer in itertools.combinations(versions, 2):
        assert Version(older) < Version(newer)
        assert Version(newer) > Version(older)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "1.0.0"), ("1.0a1", "1.0alpha1"), ("v1", "v1"), ("1_2", "1.2"), ("1.01", "1.1")],
)
def test_other_spellings_of_one_version_are_equal(one: str, other: str) -> None:
    assert Version(one) == Version(other)
    assert hash(Version(one)) == hash(Version(other))


def test_p_is_a_patch_where_the_project_says_so() -> None:
    assert Version("9.6p1") < Version("9.6")
    assert Version("9.6p1", p_is_patch=True) > Version("9.6", p_is_patch=True)


@given(st.lists(st.text(max_size=40), min_size=3, max_size=3))
def test_the_order_is_total_whatever_the_texts_are(texts: list[str]) -> None:
    a, b, c = sorted(map(Version, texts))
    assert a <= b <= c
    assert a <= c
    assert (a < b) + (a == b) + (a > b) == 1


@pytest.mark.parametrize(
    ("tag", "name", "version"),
    [
        ("v1.2.3", "", "1.2.3"),
        ("2.80.1", "", "2.80.1"),
        ("glib-2.80.1", "glib", "2.80.1"),
        ("GLIB_2_80_1", "GLIB", "2.80.1"),
        ("curl-8_5_0", "curl", "8.5.0"),
        ("R_2_5_0", "", "2.5.0"),
        ("release-3.0.1", "", "3.0.1"),
        ("pkg/a/v1.2.3", "pkg/a", "1.2.3"),
        ("@scope/b@2.0.0-beta.1", "@scope/b", "2.0.0-beta.1"),
        ("c-v0.9", "c", "0.9"),
        ("release/2024-05", "", "2024-05"),
        ("libxml2-v2.9-rc1", "libxml2", "2.9-rc1"),
        ("OpenSSL_1_1_1w", "OpenSSL", "1.1.1w"),
        ("VER-2-14-3", "", "2.14.3"),
        ("2019-07-16", "", "2019-07-16"),
        ("v4l-utils-1.32.0", "v4l-utils", "1.32.0"),
        ("go1.22.1", "go", "1.22.1"),
        ("n8.1", "n", "8.1"),
        ("edk2-stable202605", "edk2-stable", "202605"),
        ("krb5-1.22.2-final", "krb5", "1.22.2"),
        ("release-2.1.13-stable", "", "2.1.13"),
        ("NSS_3_112_5_RTM", "NSS", "3.112.5"),
        ("v704-rel", "", "704"),
        ("SUDO_1_9_16p2", "SUDO", "1.9.16p2"),
        ("51.beta2", "", "51.beta2"),
    ],
)
def test_a_tag_names_a_project_and_a_version(tag: str, name: str, version: str) -> None:
    assert in_tag(tag) == Spelled(name, version)


@pytest.mark.parametrize("tag", ["nightly", "latest-build", "v1.0/foo", "", "a" * 1000, "a-" * 300])
def test_a_tag_without_a_plain_version_has_none(tag: str) -> None:
    assert in_tag(tag) is None


@pytest.mark.parametrize(
    ("file", "name", "version"),
    [
        ("foo-1.10.0.tar.xz", "foo", "1.10.0"),
        ("foo_2.0.0~beta1.tar.gz", "foo", "2.0.0~beta1"),
        ("libxml2-2.9.14.tar.gz", "libxml2", "2.9.14"),
        ("gtk-4-demo-1.0.tar.gz", "gtk-4-demo", "1.0"),
        ("boost_1_84_0.tar.bz2", "boost", "1.84.0"),
        ("v1.2.zip", "", "1.2"),
        ("20240101.tar.gz", "", "20240101"),
        ("foo bar+baz & co-2.1.tar.gz", "foo bar+baz & co", "2.1"),
        ("node-v22.14.0.tar.gz", "node", "22.14.0"),
        ("firefox-140.1.0esr.source.tar.xz", "firefox", "140.1.0esr"),
        ("rust-1.97.1-x86_64-unknown-linux-gnu.tar.xz", "rust", "1.97.1"),
        ("snapd_2.75.2.vendor.tar.xz", "snapd", "2.75.2"),
        ("toolbox-0.3-vendored.tar.xz", "toolbox", "0.3"),
        ("tcl9.0.1-src.tar.gz", "tcl", "9.0.1"),
        ("libcdio-paranoia-10.2+2.0.2.tar.gz", "libcdio-paranoia", "10.2+2.0.2"),
        ("krb5-1.22-beta1.tar.gz", "krb5", "1.22-beta1"),
    ],
)
def test_an_archive_is_called_after_a_project_and_a_version(file: str, name: str, version: str) -> None:
    assert in_file(file) == Spelled(name, version)


@pytest.mark.parametrize(
    "file",
    [
        "foo-latest.tar.gz",
        "03_NotoSansCJK-OTC.zip",
        "homebrew-x86_64.tar.zst",
        "zip30.zip",
        "foo-1.0.tar.gz.sig",
        "ChangeLog",
        "foo-3.0.tar.gz#frag",
        "LATEST-IS-2.0",
        "",
    ],
)
def test_other_files_have_no_version(file: str) -> None:
    assert in_file(file) is None


@pytest.mark.parametrize(
    ("title", "version"),
    [
        ("Foo 1.10 is out", "1.10"),
        ("Updated Debian 11: 11.6 released", "11.6"),
        ("v2.0.0-rc.1", "2.0.0-rc.1"),
        ("2.0, at last: 2.0!", "2.0"),
        ("1.0 and 2.0", None),
        ("Our 10 years", None),
        ("see https://a/1.0/x", None),
    ],
)
def test_a_title_has_a_version_if_there_is_one_alone(title: str, version: str | None) -> None:
    assert in_text(title) == version


@given(st.text(max_size=600))
def test_no_name_is_too_odd_to_be_looked_at(text: str) -> None:
    for read in (in_tag, in_file, in_text, is_prerelease):
        read(text)


@pytest.mark.parametrize("piece", ["a-", "a/", "v", "1.", "1-", "_", "1_", "-v1", "1a", ".tar", "@1"])
def test_a_hostile_name_takes_no_time(piece: str) -> None:
    text = piece * (4096 // len(piece))
    started = time.process_time()
    for read in (in_tag, in_file, in_text, is_prerelease):
        read(text)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0", False),
        ("1.0rc1", True),
        ("3.12.0b1", True),
        ("1.0-M2", True),
        ("45.alpha", True),
        ("2.0.dev1", True),
        ("1.0-SNAPSHOT", True),
        ("1.0pre2", True),
        ("1.1.1w", False),
        ("9.6p1", False),
        ("1.0.post1", False),
        ("140.1.0esr", False),
        ("3.37.2", False),
    ],
)
def test_a_pre_release_says_so(version: str, expected: bool) -> None:
    assert is_prerelease(version) is expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("3.37.2", True), ("3.38.0", False), ("2.99.0", True), ("41.1", False), ("7", False)],
)
def test_an_odd_minor_number_was_for_development(version: str, expected: bool) -> None:
    assert is_prerelease(version, odd_even=True) is expected
