"""Directories know their digest, and are put together only where order does not matter."""

import hashlib

import pytest

from hookfetch.cas.directories import EMPTY, Directory, File, Unsuited, digest_of, file_of
from hookfetch.cas.protos import remote_execution_pb2
from hookfetch.cas.recent import Recent


def files(*names: str) -> Directory:
    return Directory({name: file_of(name.encode()) for name in names}, {}, {})


def test_the_encoding_is_sorted_and_its_digest_is_its_name() -> None:
    directory = Directory(
        {"b": file_of(b"1"), "a": File(digest_of(b""), b"", executable=True)},
        {"l": "b", "k": "a"},
        {"z": EMPTY, "y": files("x")},
    )
    message = remote_execution_pb2.Directory.FromString(directory.encoded)
    assert [node.name for node in message.files] == ["a", "b"]
    assert [node.is_executable for node in message.files] == [True, False]
    assert [(node.name, node.target) for node in message.symlinks] == [("k", "a"), ("l", "b")]
    assert [node.name for node in message.directories] == ["y", "z"]
    assert directory.digest.hash == hashlib.sha256(directory.encoded).hexdigest()
    assert directory.digest.size == len(directory.encoded)


def test_everything_below_is_listed_once() -> None:
    twice = files("x")
    directory = Directory({"a": file_of(b"x")}, {}, {"p": twice, "q": twice})
    assert directory.contents() == {
        directory.digest: directory.encoded,
        twice.digest: twice.encoded,
        digest_of(b"x"): b"x",
    }


def test_directories_are_put_together_down_to_their_files() -> None:
    one = files("a").under("d/e").beside(files("top"))
    both = one.beside(files("b").under("d/e")).beside(EMPTY.under("d/f"))
    assert sorted(both.files) == ["top"]
    assert sorted(both.directories["d"].directories["e"].files) == ["a", "b"]
    assert both.directories["d"].directories["f"].digest == EMPTY.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (files("a"), files("a")),
        (files("a"), EMPTY.under("a")),
        (EMPTY.under("a"), files("a")),
        (Directory({}, {"a": "b"}, {}), files("x").under("a")),
        (files("a").under("d"), files("a").under("d")),
        (Directory({}, {"a": "b"}, {}), Directory({}, {"a": "b"}, {})),
    ],
)
def test_what_is_at_one_place_twice_is_refused(one: Directory, other: Directory) -> None:
    with pytest.raises(Unsuited, match="overlap at a"):
        one.beside(other)


@pytest.mark.parametrize("path", ["a//b", "/a", "a/", ".", "a/./b", "..", "a/../b"])
def test_a_place_that_is_no_plain_path_is_refused(path: str) -> None:
    with pytest.raises(Unsuited):
        EMPTY.under(path)


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    recent: Recent[str, int] = Recent(3)
    recent.put("a", 1)
    recent.put("b", 2, weight=2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
    recent.put("large", 4, weight=4)
    assert len(recent) == 0
