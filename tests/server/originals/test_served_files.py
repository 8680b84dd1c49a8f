"""Files are had by the addresses that they had upstream, whole or in parts, when they have changed."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.server.originals.serving import FIRST, Served, serving

UPSTREAM = "https://example.org/thing-1.tar.xz"
PLACE = "files/https/example.org/thing-1.tar.xz"
OLD, NEW = b"old" * 100_000, bytes(range(256)) * 4096


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "state") as opened:
        opened.file(UPSTREAM, OLD, NEW)
        yield opened


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_the_newest_file_of_an_address_is_served_with_its_checksums(
    served: Served, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{served.url}/{PLACE}") as response:
        assert response.status == 200
        assert await response.read() == NEW
    encoded = base64.b64encode(bytes.fromhex(digest(NEW))).decode()
    expected = {
        "ETag": f'"{digest(NEW)}"',
        "Repr-Digest": f"sha-256=:{encoded}:",
        "X-Checksum-Sha256": digest(NEW),
        "Last-Modified": "Tue, 14 Nov 2023 22:13:21 GMT",
        "Accept-Ranges": "bytes",
        "Content-Length": str(len(NEW)),
        "Content-Type": "application/octet-stream",
    }
    assert FIRST == 1_700_000_000
    assert {name: response.headers[name] for name in expected} == expected


async def test_an_earlier_file_is_asked_for_by_its_checksum(
    served: Served, session: aiohttp.ClientSession
) -> None:
    place = PLACE.removeprefix("files/")
    async with session.get(f"{served.url}/files/sha256/{digest(OLD)}/{place}") as response:
        assert await response.read() == OLD
    async with session.get(f"{served.url}/files/sha256/{digest(b'')}/{place}") as response:
        assert response.status == 404


async def test_a_download_is_continued_only_of_the_same_file(
    served: Served, session: aiohttp.ClientSession
) -> None:
    url, half = f"{served.url}/{PLACE}", len(NEW) // 2
    headers = {"Range": f"bytes={half}-", "If-Range": f'"{digest(NEW)}"'}
    async with session.get(url, headers=headers) as response:
        assert response.status == 206
        assert response.headers["Content-Range"] == f"bytes {half}-{len(NEW) - 1}/{len(NEW)}"
        assert await response.read() == NEW[half:]
    async with session.get(url, headers={**headers, "If-Range": f'"{digest(OLD)}"'}) as response:
        assert response.status == 200
        assert await response.read() == NEW
    async with session.get(url, headers={"Range": f"bytes={len(NEW)}-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(NEW)}"


async def test_what_a_client_has_is_not_sent_again_and_heads_have_no_body(
    served: Served, session: aiohttp.ClientSession
) -> None:
    url = f"{served.url}/{PLACE}"
    async with session.get(url, headers={"If-None-Match": f'"{digest(NEW)}"'}) as response:
        assert response.status == 304
        assert response.headers["ETag"] == f'"{digest(NEW)}"'
        assert await response.read() == b""
    async with session.head(url) as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(NEW))
    async with session.get(url) as response:  # the connection is still good
        assert await response.read() == NEW


async def test_a_query_is_part_of_the_address(served: Served, session: aiohttp.ClientSession) -> None:
    served.file("https://example.org/get?file=a%2Fb", b"asked for")
    url = URL(f"{served.url}/files/https/example.org/get?file=a%2Fb", encoded=True)
    async with session.get(url) as response:
        assert await response.read() == b"asked for"


@pytest.mark.parametrize(
    "path",
    [
        "files/https/example.org/unknown",
        "files/https/example.org/%2e%2e/thing-1.tar.xz",
        "files/https/example.org/../example.org/thing-1.tar.xz",
        "files/https/example.org//thing-1.tar.xz",
        "files/https/example.org/thing-1.tar.xz%00",
        "files/https/example.org/thing-1.tar.xz/../../../../../../etc/passwd",
        "files//etc/passwd",
        "%66iles/https/example.org/thing-1.tar.xz",
        "../shared",
    ],
)
async def test_hostile_paths_find_nothing(served: Served, session: aiohttp.ClientSession, path: str) -> None:
    url = URL(f"{served.url}/{path}", encoded=True)
    async with session.get(url) as response:
        assert response.status == 404


async def test_nothing_is_written(served: Served, session: aiohttp.ClientSession) -> None:
    for method in "PUT", "POST", "DELETE", "PATCH":
        async with session.request(method, f"{served.url}/{PLACE}", data=b"x") as response:
            assert response.status == 405
            assert response.headers["Allow"] == "GET,HEAD"
