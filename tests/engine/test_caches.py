"""Source caches in all their arrangements: published to by hookfetch, fetched from by BuildStream."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import CacheAway, Temporary
from hookfetch.core.events import SourceRef
from hookfetch.core.ports import Finished
from hookfetch.demo.cache import SourceCache
from tests.engine.client import bst_with
from tests.engine.lab import Bench, Lab, running
from tests.support.cache_proxy import CacheProxy, certificates

pytestmark = pytest.mark.engine


class Apart:
    """An index and a storage in servers of their own, the index behind TLS with client certificates and the
    storage behind TLS and a token, too."""

    def __init__(self, root: Path, index: CacheProxy, storage: CacheProxy) -> None:
        self.root, self.index, self.storage = root, index, storage

    def tables(self) -> tuple[SourceCacheConfig, ...]:
        tls = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"}
        index = {"url": self.index.url, "type": "index", **tls}
        storage = {"url": self.storage.url, "type": "storage", "access_token_file": "token", **tls}
        return tuple(SourceCacheConfig(**each).below(self.root) for each in (index, storage))

    def servers(self) -> list[dict[str, Any]]:
        """Return what a client's own configuration says of them."""
        auth = {
            "server-cert": str(self.root / "ca.pem"),
            "client-cert": str(self.root / "client.pem"),
            "client-key": str(self.root / "client.key"),
        }
        token = {"access-token": str(self.root / "token")}
        return [
            {"url": self.index.url, "type": "index", "auth": auth},
            {"url": self.storage.url, "type": "storage", "auth": {**auth, **token}},
        ]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    root = tmp_path / "tls"
    root.mkdir()
    certificates(root)
    (root / "token").write_text("s3cr3t\n")
    with (
        SourceCache(tmp_path / "index") as index,
        SourceCache(tmp_path / "storage") as storage,
        CacheProxy(index.url, tls=root) as names,
        CacheProxy(storage.url, tls=root, token="s3cr3t") as blobs,
    ):
        yield Apart(root, names, blobs)


async def test_index_and_storage_apart_with_tls_and_a_token_take_what_a_client_fetches(
    lab: Lab, apart: Apart
) -> None:
    lab.repository("glib")
    lab.tarball("top-1.tar.gz", "one")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    lab.element("top.bst", {"kind": "tar", "url": "up:top-1.tar.gz"})
    async with running(lab, apart.tables()) as bench:
        done = {name: await bench.run(name) for name in ("glib.bst", "top.bst")}
    assert all(each.cached for each in done.values())
    written = lab.root / "state/engine/lab/0"
    assert (written / "buildstream.conf").stat().st_mode & 0o777 == 0o600
    assert "s3cr3t" not in (written / "buildstream.conf").read_text()
    assert "shortcut not taken" not in (written / "worker.log").read_text()
    assert apart.index.calls["PushBlob"]
    assert apart.index.calls["FindMissingBlobs"] == apart.storage.calls["PushBlob"] == 0
    assert apart.storage.refused == 0

    stop(lab)
    pulled_by_a_client(lab, {name: each.refs for name, each in done.items()}, apart.servers())


async def test_a_cache_that_lets_nobody_in_is_away_and_let_in_with_the_next_token(
    lab: Lab, apart: Apart
) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    token = apart.root / "token"
    token.write_text("old")
    async with running(lab, apart.tables()) as bench:
        for _ in range(2):
            with pytest.raises(CacheAway, match="UNAUTHENTICATED") as refused:
                await bench.run("glib.bst")
            assert apart.storage.url in str(refused.value)
        with pytest.raises(CacheAway, match="UNAUTHENTICATED"):
            await bench.engine.probe("lab")
        token.write_text("s3cr3t")
        await bench.engine.probe("lab")
        assert (await bench.run("glib.bst")).cached


async def test_what_was_proved_is_not_walked_again_within_the_lease_but_by_who_asks_to_be_sure(
    lab: Lab, tmp_path: Path
) -> None:
    lab.repository("glib")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
    with SourceCache(tmp_path / "cache") as cache, CacheProxy(cache.url) as proxy:
        walks = lambda: (proxy.calls["GetTree"], proxy.calls["FindMissingBlobs"])  # noqa: E731
        async with running(lab, proxy.url, cache_lease=3600.0) as bench:
            first = await bench.run("glib.bst")
            walked = walks()
            for _ in range(3):
                assert (await bench.run("glib.bst", refs=first.refs)).cached
            assert walks() == walked
            assert (await bench.run("glib.bst", refs=first.refs, track=False)).cached
            assert walks() == (walked[0] + 1, walked[1] + 1)


async def test_what_the_storage_lost_is_pushed_again_without_the_upstream(lab: Lab, tmp_path: Path) -> None:
    lab.repository("glib")
    lab.tarball("top-1.tar.gz", "one")
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})  # by the shortcut
    lab.element("top.bst", {"kind": "tar", "url": "up:top-1.tar.gz"})  # by BuildStream
    with SourceCache(tmp_path / "own-cache") as cache:
        async with running(lab, cache.url) as bench:
            refs = {name: (await bench.run(name)).refs for name in ("glib.bst", "top.bst")}
            stop(lab)
            for path in (tmp_path / "own-cache").rglob("objects/*/*"):
                path.unlink()
            for name, known in refs.items():
                assert (await fetched_in_the_end(bench, name, known)).cached
        pulled_by_a_client(lab, refs, [{"url": cache.url, "type": "all"}])


def stop(lab: Lab) -> None:
    """Have the upstreams hold nothing any more."""
    for file in lab.upstreams.rglob("*"):
        if file.is_file():
            file.unlink()


def pulled_by_a_client(
    lab: Lab, refs: Mapping[str, tuple[SourceRef, ...]], servers: list[dict[str, Any]]
) -> None:
    """Have an unmodified client fetch glib.bst and top.bst from `servers`."""
    lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "ref": refs["glib.bst"][0].ref})
    lab.element("top.bst", {"kind": "tar", "url": "up:top-1.tar.gz", "ref": refs["top.bst"][0].ref})
    names = [f"{lab.folder}/{name}" for name in refs]
    fetched = bst_with(lab, servers, "source", "fetch", *names)
    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stderr.count("Pulled source") == len(names)


async def fetched_in_the_end(bench: Bench, name: str, refs: tuple[SourceRef, ...]) -> Finished:
    """Return the outcome as of the second attempt at most: BuildStream's daemon believes that the cache has
    what it sent, and the worker is replaced."""
    with suppress(Temporary):
        return await bench.run(name, track=False, refs=refs)
    return await bench.run(name, track=False, refs=refs)
