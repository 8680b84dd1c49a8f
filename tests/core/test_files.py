import pytest

from hookfetch.core.files import Validators, file_of, is_another
from hookfetch.core.matching import Index
from hookfetch.core.sources import Element, Source

NOON, ONE = "Sat, 01 Jun 2024 12:00:00 GMT", "Sat, 01 Jun 2024 13:00:00 GMT"


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        (Validators(etag='"a"'), Validators(etag='"b"')),
        (Validators(last_modified=NOON), Validators(last_modified=ONE)),
        (
            Validators(etag='"a"', last_modified=NOON, length=1),
            Validators(etag='"b"', last_modified=NOON, length=2),
        ),
        (Validators(etag='"a"', length=1), Validators(etag='"b"', length=1)),
    ],
)
def test_what_its_server_says_otherwise_is_another_file(known: Validators, seen: Validators) -> None:
    assert is_another(known, seen)


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        (Validators(etag='"a"'), Validators(etag='"a"')),
        (Validators(etag='W/"a"'), Validators(etag='"a"')),
        (Validators(etag='"a"', last_modified=NOON), Validators(etag='"a"', last_modified=ONE)),
        # Two servers of one name, which make ETags of their own.
        (
            Validators(etag='"a"', last_modified=NOON, length=1),
            Validators(etag='"b"', last_modified=NOON, length=1),
        ),
        (Validators(etag='"a"'), Validators(last_modified=NOON)),
        (Validators(etag='"a"'), Validators()),
        (Validators(), Validators(etag='"a"')),
        (Validators(), Validators()),
        (Validators(length=1), Validators(length=2)),
    ],
)
def test_what_is_not_said_otherwise_is_no_other_file(known: Validators, seen: Validators) -> None:
    assert not is_another(known, seen)


def source(kind: str, *urls: str) -> Source:
    return Source(index=0, kind=kind, urls=urls)


def test_archives_and_single_files_are_asked_for_at_their_own_address() -> None:
    url, mirror = "https://example.org/a.tar", "https://mirror.example/a.tar"
    for kind in "tar", "zip", "remote":
        assert file_of(source(kind, url, mirror)) == url
    assert file_of(source("git", url)) is None
    assert file_of(source("tar")) is None
    assert file_of(source("tar", "ftp://example.org/a.tar")) is None


def test_an_index_knows_the_elements_of_each_file_but_not_those_that_follow_nothing() -> None:
    url = "https://example.org/a.tar"
    twice = (source("tar", url), source("remote", url))
    elements = [
        Element(name="a.bst", kind="import", sources=twice),
        Element(name="b.bst", kind="import", sources=twice[:1]),
        Element(name="pinned.bst", kind="import", sources=twice),
    ]
    assert Index.of(elements, still={"pinned.bst"}).files() == {url: ("a.bst", "b.bst")}
    assert not Index.of(elements).identities()
