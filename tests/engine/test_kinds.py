"""Every kind of source that real projects track: what moves upstream becomes a ref, is in the cache,
and loads again from the text that it was written into."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from buildstream_plugins_community.sources.pypi import PyPISource  # type: ignore[import-untyped]

from hookfetch import edits
from hookfetch.core.events import SourceRef
from hookfetch.core.sources import Source
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.kinds import CARGO, KINDS, Index, Kind
from tests.engine.lab import Bench, Lab, running
from tests.upstreams.serving import routes

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Shared:
    bench: Bench
    lab: Lab
    index: Index
    root: Path


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
    environment: pytest.MonkeyPatch,
) -> AsyncIterator[Shared]:
    """A warm process that knows every kind; `cargo` and the host that `pypi` asks are ours."""
    root, index = tmp_path_factory.mktemp("kinds"), Index()
    place, server = upstreams
    (place / "kinds").mkdir()
    lab = Lab(root, f"{server.url}/kinds", place / "kinds", "kinds")
    cargo = root / "bin" / "cargo"
    cargo.parent.mkdir()
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    async with (
        routes(web.get("/{path:.*}", index.image)) as index.url,
        index_host(root / "trusted.pem", index.package) as proxy,
    ):
        environment.setenv("PATH", f"{cargo.parent}:{os.environ['PATH']}")
        environment.setenv("HTTPS_PROXY", proxy)
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("REQUESTS_CA_BUNDLE", str(root / "trusted.pem"))
        async with running(lab, source_cache.url) as bench:
            yield Shared(bench, lab, index, place)


@asynccontextmanager
async def index_host(trusted: Path, answer: Callable[[str], bytes]) -> AsyncIterator[str]:
    """Be the host whose name stands in the plugin of `pypi`, to who uses this proxy and trusts `trusted`."""
    certificate = await asyncio.to_thread(_certificate, trusted)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # CONNECT
        writer.write(b"HTTP/1.1 200 ours\r\n\r\n")
        await writer.start_tls(certificate)
        body = answer((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _certificate(trusted: Path) -> ssl.SSLContext:
    key = trusted.with_suffix(".key")
    name = f"subjectAltName=DNS:{urlsplit(PyPISource.REST_API).hostname}"
    wanted = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab", "-addext", name]
    files = ["-keyout", str(key), "-out", str(trusted)]
    subprocess.run(["openssl", "req", *wanted, *files], check=True, capture_output=True, timeout=30)
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.load_cert_chain(trusted, key)
    return certificate


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.rstrip("_"))
async def test_a_ref_is_tracked_cached_and_loads_again_as_it_was_written(
    kind: Callable[[Lab, Index], Kind], shared: Shared
) -> None:
    folder = kind.__name__
    (shared.root / folder).mkdir()
    lab = Lab(
        shared.lab.root, f"{shared.lab.server.rpartition('/')[0]}/{folder}", shared.root / folder, folder
    )
    bench, upstream = Bench(shared.bench.engine, lab), kind(lab, shared.index)
    text = upstream.sources.replace("up:", f"up:{folder}/")
    path = lab.project / "elements" / folder / "it.bst"
    path.parent.mkdir()
    path.write_text(f"kind: import\n\nsources:\n{text}")
    for _ in range(2):  # a first ref, and another instead of it
        before = await _load(bench)
        expected = list(upstream.move())

        tracked = await bench.run("it.bst")

        assert [source.ref for source in tracked.refs] == expected
        assert tracked.cached
        path.write_text(_written(path.read_text(), before, tracked.refs))
        assert [source.ref for source in await _load(bench)] == expected
        again = await bench.run("it.bst", track=False)
        assert again.element_key == tracked.element_key
        assert again.cached


async def _load(bench: Bench) -> Sequence[Source]:
    loaded = await bench.engine.load("lab")
    (sources,) = (
        element.sources for element in loaded.elements if element.name == f"{bench.lab.folder}/it.bst"
    )
    bench.lab.fresh = False
    return sources


def _written(text: str, before: Sequence[Source], refs: Sequence[SourceRef]) -> str:
    document = edits.parse(text)
    changes = [
        change
        for source, ref in zip(before, refs, strict=True)
        for change in edits.ref_changes(document, ("sources", source.index), source.ref, ref.ref)
    ]
    return edits.edited_document(text, document, changes)
