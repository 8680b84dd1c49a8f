"""A new version in the URLs of an element's sources."""

import json
import posixpath
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.core.bumps import NoBump, Versioned, bumps, version_in
from hookfetch.core.versions.forms import Move

REFDIFFS = Path(__file__).parents[2].parent / "shared" / "projects" / "refdiffs.jsonl"


def moved(url: str, old: str, new: str, **variables: str) -> list[tuple[str, dict[str, str]]]:
    found = bumps([Versioned(url=url)], variables, Move(old, new))
    return [(bump.sources[0].url, dict(bump.variables)) for bump in found]


@pytest.mark.parametrize(
    ("url", "old", "new", "expected"),
    [
        ("qemu:qemu-10.1.2.tar.xz", "10.1.2", "10.1.3", "qemu:qemu-10.1.3.tar.xz"),
        ("gnome:glib/2.80/glib-2.80.1.tar.xz", "2.80.1", "2.82.0", "gnome:glib/2.82/glib-2.82.0.tar.xz"),
        ("gnome:gdm/45/gdm-45.0.1.tar.xz", "45.0.1", "46.2", "gnome:gdm/46/gdm-46.2.tar.xz"),
        ("kernel:v6.x/linux-6.9.1.tar.xz", "6.9.1", "7.0", "kernel:v7.x/linux-7.0.tar.xz"),
        ("b:1.84.0/boost_1_84_0.tar.bz2", "1.84.0", "1.85.0", "b:1.85.0/boost_1_85_0.tar.bz2"),
        ("a:tags/asio-1-30-2.tar.gz", "1.30.2", "1.31.0", "a:tags/asio-1-31-0.tar.gz"),
        ("k:krb5/1.21/krb5-1.21.3.tar.gz", "1.21.3", "1.22-beta1", "k:krb5/1.22/krb5-1.22-beta1.tar.gz"),
        ("n:580.142/NV-580.142.run", "580.142", "595.71.05", "n:595.71.05/NV-595.71.05.run"),
        ("x:libfoo2.3/foo-2.3.tgz", "2.3", "2.4", "x:libfoo2.4/foo-2.4.tgz"),
        ("x:12.3/1.2.3/foo-2.3.tgz", "2.3", "2.4", "x:12.3/1.2.3/foo-2.4.tgz"),
    ],
)
def test_each_form_of_the_version_changes(url: str, old: str, new: str, expected: str) -> None:
    assert moved(url, old, new)[0] == (expected, {})


def test_a_folder_of_a_version_may_be_that_of_a_series() -> None:
    assert [url for url, _ in moved("k:1.22/krb5-1.22.tgz", "1.22", "1.22.1")] == [
        "k:1.22.1/krb5-1.22.1.tgz",
        "k:1.22/krb5-1.22.1.tgz",
    ]


@pytest.mark.parametrize(
    ("url", "variables", "changed"),
    [
        ("m:v%{version}/m-%{version}.tgz", {"version": "3.6.2"}, {"version": "3.7.0"}),
        ("m:tags/%{tag}.tgz", {"tag": "m-3-6-2"}, {"tag": "m-3-7-0"}),
        (
            "m:%{api}/%{full}/m-%{full}.tgz",
            {"api": "3.6", "full": "%{api}.2"},
            {"api": "3.7", "full": "%{api}.0"},
        ),
        ("m:%{api}/m-%{v}.tgz", {"api": "3.6", "v": "3.6.2"}, {"api": "3.7", "v": "3.7.0"}),
        ("m:m-%{a}.%{b}.%{c}.tgz", {"a": "3", "b": "6", "c": "2"}, {"b": "7", "c": "0"}),
        ("m:%{arch}/m-%{v}-%{n}.tgz", {"arch": "x86_64", "v": "3.6.2", "n": "3"}, {"v": "3.7.0"}),
    ],
)
def test_variables_change_in_place_of_the_text(
    url: str, variables: dict[str, str], changed: dict[str, str]
) -> None:
    assert moved(url, "3.6.2", "3.7.0", **variables)[0] == (url, changed)


def test_text_around_a_variable_changes_with_it() -> None:
    url = "gnome:glib/2.80/glib-%{version}.tar.xz"
    assert moved(url, "2.80.1", "2.82.0", version="2.80.1") == [
        ("gnome:glib/2.82/glib-%{version}.tar.xz", {"version": "2.82.0"})
    ]


def test_sources_that_share_a_version_move_together_and_others_stay() -> None:
    sources = [
        Versioned(url="a:foo-1.2.tgz", keys={"base-dir": "foo-1.2", "track": "main"}),
        Versioned(url="a:foo-docs-%{v}.tgz"),
        Versioned(url="a:data-7.tgz"),
    ]
    (bump,) = bumps(sources, {"v": "1.2"}, Move("1.2", "1.3"))
    assert [source.url for source in bump.sources] == ["a:foo-1.3.tgz", "a:foo-docs-%{v}.tgz", "a:data-7.tgz"]
    assert bump.sources[0].keys == {"base-dir": "foo-1.3", "track": "main"}
    assert bump.variables == {"v": "1.3"}


def test_where_one_cannot_follow_none_moves() -> None:
    sources = [Versioned(url="a:foo-%{v}.tgz"), Versioned(url="a:plugin-for-foo-%{v}.0-1.tgz")]
    with pytest.raises(NoBump, match=r"cannot move to 1\.3 together"):
        list(bumps(sources, {"v": "1.2"}, Move("1.2", "1.3")))


def test_without_the_version_there_is_nothing_to_do() -> None:
    with pytest.raises(NoBump, match=r"no source of the element has the version 1\.2"):
        moved("a:foo-1.2.3.tgz", "1.2", "1.3")


def test_variables_in_a_circle_are_refused() -> None:
    with pytest.raises(NoBump, match="circle"):
        moved("a:%{b}", "1", "2", b="%{c}", c="%{b}")
    with pytest.raises(NoBump, match="more than 4096"):
        moved("a:%{b}", "1", "2", b="%{b}%{b}")


def test_where_the_release_says_its_files_are_goes_before_what_is_made() -> None:
    urls = {"foo_bar-1.3.tar.gz": "pypi:ab/cd/foo_bar-1.3.tar.gz"}
    (bump,) = bumps([Versioned(url="pypi:00/11/foo-bar-1.2.tar.gz")], {}, Move("1.2", "1.3"), urls)
    assert bump.sources[0].url == "pypi:ab/cd/foo_bar-1.3.tar.gz"


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("https://a/foo/archive/refs/tags/1.5.0.2.tar.gz", "1.5.0.2"),
        ("github:o/p/releases/download/homebrew-2026-02-10/homebrew-x86_64.tar.zst", "2026-02-10"),
        ("nvidia:Linux-x86_64/580.142/NVIDIA-580.142.run", "580.142"),
        ("gnome:glib.git", None),
        ("a:", None),
        ("http://[", None),
    ],
)
def test_the_version_in_a_url_is_that_of_its_file_else_of_its_tag(url: str, version: str | None) -> None:
    assert version_in(url) == version


def changes() -> list[dict[str, Any]]:
    """Return the changes of URL and ref in real commits that went from one version to a newer one."""
    found = []
    for line in REFDIFFS.read_text().splitlines():
        for file in json.loads(line)["files"]:
            for change in file["changes"]:
                before, after = change.get("url_before"), change.get("url_after")
                if before != after and before and after and not before.endswith(".git"):
                    found.append(change)
    return found


def archives() -> list[str]:
    """Return the URLs of archives and files in two real projects."""
    urls = set()
    for project in ("freedesktop-sdk", "gnome-build-meta"):
        told = json.loads(REFDIFFS.with_name(f"{project}.json").read_text())
        for element in told["elements"].values():
            sources = element.get("sources") or ()
            urls |= {each["url"] for each in sources if each["kind"] in ("tar", "zip", "remote")}
    return sorted(urls)


# Files that are replaced in place, and versions that nothing tells from the name.
WITHOUT = {
    "flathub-beta.flatpakrepo",
    "flathub.flatpakrepo",
    "gnome-nightly.flatpakrepo",
    "tex-gyre.zip",
    "docbkx40.zip",
    "docbkx412.zip",
    "zip30.tar.gz",
    "model20.text.tar.gz",
}


def test_archives_of_real_projects_have_a_version_which_can_change() -> None:
    without = set()
    for url in archives():
        version = version_in(url)
        if version is None:
            without.add(posixpath.basename(url).rpartition(":")[2])
        else:
            bump = next(bumps([Versioned(url=url)], {}, Move(version, "1234.56.78")))
            assert "1234.56.78" in bump.sources[0].url
            assert version_in(bump.sources[0].url) == "1234.56.78"
    assert without <= WITHOUT


CHANGES = changes()
# The person took an older release from another host.
ELSEWHERE = "ftp_gnu_org:libcdio/libcdio-2.1.0.tar.bz2"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: posixpath.basename(change["url_after"]))
def test_what_people_changed_by_hand_follows_from_the_old_url_and_the_new_version(
    change: dict[str, Any],
) -> None:
    before, after = change["url_before"], change["url_after"]
    old, new = version_in(before), version_in(after)
    assert old is not None
    assert new is not None
    keys = change.get("other_keys") or {}
    source = Versioned(url=before, keys={key: values[0] for key, values in keys.items()})
    # The folders of PyPI's files are named by their digests: the registry says where they are.
    known = {posixpath.basename(after): after} if after.startswith("pypi:") else {}
    bump = next(bumps([source], {}, Move(old, new), known))
    assert (bump.sources[0].url == after) is (after != ELSEWHERE)
    assert bump.sources[0].keys == {key: values[1] for key, values in keys.items()}


def test_variables_that_people_changed_by_hand_follow_too() -> None:
    files = [file for line in REFDIFFS.read_text().splitlines() for file in json.loads(line)["files"]]
    changed = [file for file in files if file["class"] == "version-variables"]
    assert changed
    for file in changed:
        (change,) = file["changes"]
        ((name, (before, after)),) = file["variables"].items()
        old, new = (
            version_in(change["url_before"].replace(f"%{{{name}}}", value)) for value in (before, after)
        )
        assert moved(change["url_before"], str(old), str(new), **{name: before})[0] == (
            change["url_after"],
            {name: after},
        )


VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", fullmatch=True)


@given(
    st.text(max_size=80), VERSIONS, VERSIONS, st.dictionaries(st.sampled_from("abc"), st.text(max_size=20))
)
def test_whatever_the_text_is_it_moves_or_there_is_a_reason(
    text: str, old: str, new: str, variables: dict[str, str]
) -> None:
    try:
        list(bumps([Versioned(url=text + old + "%{a}" + text)], variables, Move(old, new)))
    except NoBump as error:
        assert str(error)  # noqa: PT017 - that it is raised is not what is tested
