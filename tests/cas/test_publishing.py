"""What is published is held, as BuildStream's own push would have it."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.cas import publishing
from hookfetch.cas.directories import Content, Digest, Directory, File, Kept, Stored, digest_of, file_of
from hookfetch.cas.git_sources import content_of
from hookfetch.core.errors import Temporary
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.staged import Staged
from tests.support.caches import cache_at, publisher_at

pytestmark = pytest.mark.engine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SourceCache]:
    with SourceCache(tmp_path / "cache") as cache:
        yield cache


def nothing(content: Content) -> bytes:
    raise AssertionError(f"nothing is to be read: {content}")


def stored(data: bytes) -> tuple[File, dict[Content, bytes]]:
    name = Stored(data[:20], loose=False)
    return File(digest_of(data), name), {name: data}


def test_files_of_every_size_are_held_by_element_and_by_source(server: SourceCache) -> None:
    noise = random.Random(1)
    made = [stored(noise.randbytes(size)) for size in (20, 600_000, 600_001, 2**20, 2**20 + 1, 3_500_000)]
    contents = {name: data for _, known in made for name, data in known.items()}
    files = {f"f{number}": file for number, (file, _) in enumerate(made)}
    source = Directory({**files, "empty": file_of(b"")}, {"l": "f0"}, {})
    root = source.under("d")
    with publisher_at(server.url) as publisher, cache_at(server.url) as cache:
        published = publisher.publish("element", root, {"git/source": source}, contents.__getitem__)
        assert cache.holds("element")
        assert cache.confirms("element", published)
        again = publisher.publish("again", root, {"git/source": source}, nothing)
        assert cache.holds("again")
        assert cache.confirms("again", again)
        assert again.sent == {server.url: []}
        # A name that is not there, one for something else, and content that did not stay.
        assert not cache.confirms("nobody", again)
        assert not cache.confirms("element", again._replace(message=root.digest))
        lost = published._replace(sent={server.url: [*published.sent[server.url], Digest("0" * 64, 1)]})
        assert not cache.confirms("element", lost)
    held = Staged(server.url)
    assert held.element("element") == root.digest
    assert held.source("git/source") == source.digest
    assert held.node(root.digest, "d", "f5") == digest_of(contents[Stored(contents_key(made, 5), False)])


def test_files_on_disk_of_every_size_are_held(server: SourceCache, tmp_path: Path) -> None:
    noise = random.Random(2)
    files = {}
    for size in (0, 20, 2**20, 2**20 + 1, 3_500_000):
        path = tmp_path / f"f{size}"
        path.write_bytes(noise.randbytes(size))
        files[path.name] = File(digest_of(path.read_bytes()), Kept(path))
    source = Directory(files, {}, {})
    with publisher_at(server.url) as publisher, cache_at(server.url) as cache:
        published = publisher.publish("disk", source, {}, lambda content: content_of([], content))
        assert cache.confirms("disk", published)
        assert cache.holds("disk", walk=True)


def contents_key(made: list[tuple[File, dict[Content, bytes]]], number: int) -> bytes:
    name = made[number][0].content
    assert isinstance(name, Stored)
    return name.object_id


def test_what_was_published_a_short_while_ago_is_not_asked_for_again(server: SourceCache) -> None:
    asked: list[int] = []
    directory = Directory({f"f{number}": file_of(b"%d" % number) for number in range(50)}, {}, {})

    def tree(text: bytes) -> Directory:
        return Directory({"changed": file_of(text)}, {}, {"same": directory})

    with publisher_at(server.url, lease=60.0) as publisher, cache_at(server.url) as cache:
        missing = publishing._missing  # noqa: SLF001 (how much is asked is what is measured)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                publishing, "_missing", lambda at, wanted: asked.append(len(wanted)) or missing(at, wanted)
            )
            publisher.publish("first", tree(b"one"), {}, nothing)
            publisher.publish("second", tree(b"two"), {}, nothing)
            publisher.distrust()
            publisher.publish("third", tree(b"three"), {}, nothing)
        assert asked == [54, 4, 54]  # a message, two directories, and files: 51, or the changed one
        assert all(cache.holds(key) for key in ("first", "second", "third"))


def test_a_storage_that_was_made_anew_is_asked_for_everything(tmp_path: Path) -> None:
    directory = Directory({"f": file_of(b"f")}, {}, {"d": Directory({"g": file_of(b"g")}, {}, {})})
    place = tmp_path / "emptied"
    with SourceCache(place) as before, publisher_at(before.url, lease=60.0) as publisher:
        publisher.publish("key", directory, {}, nothing)
        before.stop()
        shutil.rmtree(place)
        before.start()
        publisher.publish("key", directory, {}, nothing)
        with cache_at(before.url) as cache:
            assert cache.holds("key")


def test_many_files_go_in_many_messages(server: SourceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_ASKED", 7)
    monkeypatch.setattr(publishing, "_BATCH_BLOBS", 5)
    source = Directory({f"f{number}": file_of(b"%d" % number) for number in range(33)}, {}, {})
    with publisher_at(server.url) as publisher, cache_at(server.url) as cache:
        publisher.publish("many", source, {}, nothing)
        assert cache.holds("many")


def test_content_that_cannot_be_read_is_not_announced(server: SourceCache) -> None:
    file, _ = stored(b"x" * 40)
    source = Directory({"lost": file}, {}, {})
    with publisher_at(server.url) as publisher, cache_at(server.url) as cache:
        with pytest.raises(KeyError):
            publisher.publish("lost", source, {"git/lost": source}, {}.__getitem__)
        assert not cache.holds("lost")


def test_content_that_is_not_what_it_was_said_to_be_is_refused(server: SourceCache) -> None:
    file, _ = stored(b"x" * 40)
    source = Directory({"other": file}, {}, {})
    with (
        publisher_at(server.url) as publisher,
        cache_at(server.url) as cache,
        pytest.raises(Temporary, match=server.url),
    ):
        publisher.publish("other", source, {}, lambda _: b"y" * 40)
    with cache_at(server.url) as cache:
        assert not cache.holds("other")


def test_a_server_that_is_down_is_temporary_and_asked_again_at_once(server: SourceCache) -> None:
    source = Directory({"a": file_of(b"a")}, {}, {})
    with publisher_at(server.url) as publisher:
        server.stop()
        for _ in range(2):
            with pytest.raises(Temporary, match=server.url):
                publisher.publish("down", source, {}, nothing)
        server.start()
        publisher.publish("down", source, {}, nothing)
    with cache_at(server.url) as cache:
        assert cache.holds("down")


def test_a_server_of_another_protocol_is_temporary(tmp_path: Path) -> None:
    with (
        UpstreamServer(tmp_path) as other,
        publisher_at(other.url) as publisher,
        pytest.raises(Temporary, match=other.url),
    ):
        publisher.publish("key", Directory({}, {}, {}), {}, nothing)
