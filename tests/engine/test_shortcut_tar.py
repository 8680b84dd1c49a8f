"""What the shortcut makes of a tarball is what BuildStream's plugin extracts, or it is left to the plugin."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hookfetch.core.ports import Finished
from tests.engine.conftest import Both
from tests.engine.staged import staged_by_buildstream

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

PLAIN, FOLDER, LINK, HARD, PIPE = (
    *(tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE),
)


@dataclass(frozen=True)
class Member:
    name: str
    kind: bytes = PLAIN
    mode: int = 0o644
    target: str = ""
    content: bytes = b"content\n"


SUITED: dict[str, Sequence[Member]] = {
    "plain": [
        Member("top", FOLDER),
        Member("top/a"),
        Member("top/b/c"),
        Member("top/b.c"),
        Member("other/x"),
    ],
    "dotted": [Member(".", FOLDER), Member("./top", FOLDER), Member("./top/a"), Member("./top/b/c")],
    "implied": [Member("top/deep/er/file"), Member("top/a-b"), Member("top/a/b")],
    "modes": [
        Member(f"top/{mode:o}", mode=mode) for mode in (0o644, 0o755, 0o600, 0o111, 0o011, 0o4755, 0o777)
    ],
    "links": [
        *(Member("top/absolute", LINK, target="/etc/hostname"), Member("top/up", LINK, target="../../x")),
        *(Member("top/odd", LINK, target="./a//b/"), Member("top/dangling", LINK, target="nothing")),
    ],
    "hard": [
        *(Member("top/first", mode=0o755), Member("top/second", HARD, 0o755, "top/first")),
        *(Member("top/d/x"), Member("top/y", HARD, 0o644, "top/d/x")),
    ],
    "hollow": [
        Member("top/f"),
        Member("top/empty", FOLDER, 0o700),
        Member("top/d", FOLDER),
        Member("top/d", FOLDER),
    ],
    "names": [
        Member("top/é"),
        Member("top/日本"),
        Member("top/" + "x" * 200),
        Member("top/a b"),
        Member("top/-x"),
    ],
    "sizes": [Member("top/nothing", content=b""), Member("top/large", content=b"0123456789abcdef" * 200_000)],
    "devices": [Member("top/a"), Member("top/pipe", PIPE)],
}

UNSUITED: dict[str, Sequence[Member]] = {
    "twice": [Member("top/a", content=b"1"), Member("top/a", content=b"2")],
    "through": [Member("top/d/a"), Member("top/l", LINK, target="d"), Member("top/l/b")],
    "moded": [Member("top/a"), Member("top/b", HARD, 0o755, "top/a")],
    "dots": [Member("top/a"), Member("top/d/./b")],
}


def write(path: Path, members: Sequence[Member], how: str = "w:gz") -> None:
    with tarfile.open(path, how) as archive:
        for member in members:
            written = tarfile.TarInfo(member.name)
            written.type, written.mode, written.linkname = member.kind, member.mode, member.target
            content = member.content if member.kind == PLAIN else b""
            written.size = len(content)
            archive.addfile(written, io.BytesIO(content))


async def by_both(both: Both, name: str, **source: str) -> Finished:
    """Return how the shorter way went, which must have come to what the longer one came to."""
    both.lab.element("it.bst", {"kind": "tar", "url": f"up:{name}", **source})
    both.long.lab.fresh = True
    short = await both.short.run("it.bst")
    long = await both.long.run("it.bst")
    assert short.cached
    assert short.element_key == long.element_key
    assert short.element_key is not None
    assert both.short_cache.name(short.element_key) == both.long_cache.name(short.element_key)
    assert both.short_cache.source(short.source_keys[0]) == both.long_cache.source(short.source_keys[0])
    return short


@pytest.mark.parametrize("shape", SUITED)
async def test_a_tarball_has_the_digest_that_buildstream_gives_it(shape: str, both: Both) -> None:
    write(both.lab.upstreams / f"{shape}.tar.gz", SUITED[shape])
    assert not staged_by_buildstream(both.lab, await by_both(both, f"{shape}.tar.gz"))


@pytest.mark.parametrize(
    ("how", "name", "base"),
    [
        *(("w:", "whole.tar", ""), ("w:bz2", "inner.tar.bz2", "top/in*"), ("w:xz", "all.tar.xz", "*")),
        ("w:gz", "none.tar.gz", "."),
    ],
)
async def test_every_packing_and_base_directory_is_as_buildstream_has_it(
    how: str, name: str, base: str, both: Both
) -> None:
    members = [Member("top", FOLDER), Member("top/inner/a"), Member("top/inner/d/b"), Member("top/x")]
    if base == ".":
        members = [Member(".", FOLDER), *members]
        base = "top"
    write(both.lab.upstreams / name, [*members, Member(f"top/inner/{name}")], how)
    done = await by_both(both, name, **{"base-dir": base})
    assert not staged_by_buildstream(both.lab, done)


@pytest.mark.parametrize("shape", UNSUITED)
async def test_what_extracting_in_order_decides_goes_buildstreams_way(shape: str, both: Both) -> None:
    write(both.lab.upstreams / f"{shape}.tar.gz", UNSUITED[shape])
    assert staged_by_buildstream(both.lab, await by_both(both, f"{shape}.tar.gz"))


async def test_a_tarball_beside_a_repository_is_put_together_as_buildstream_does(both: Both) -> None:
    both.lab.repository("beside")
    write(both.lab.upstreams / "beside.tar.gz", [Member("top/text"), Member("top/src/more.c")])
    git = {"kind": "git", "url": "up:beside.git", "track": "main"}
    tar = {"kind": "tar", "url": "up:beside.tar.gz", "directory": "src"}
    both.lab.element("beside.bst", git, tar)
    both.long.lab.fresh = True
    short, long = await both.short.run("beside.bst"), await both.long.run("beside.bst")
    assert not staged_by_buildstream(both.lab, short)
    assert short.element_key is not None
    assert both.short_cache.name(short.element_key) == both.long_cache.name(str(long.element_key))


async def test_a_tarball_that_is_damaged_is_refused_as_by_buildstream(both: Both) -> None:
    (both.lab.upstreams / "bad.tar.gz").write_bytes(b"no tarball at all")
    both.lab.element("bad.bst", {"kind": "tar", "url": "up:bad.tar.gz"})
    for bench in both.short, both.long:
        bench.lab.fresh = True
        with pytest.raises(Exception, match="Error staging source"):
            await bench.run("bad.bst")
