"""A repository's refs over http(s), in one round trip where the server speaks git's protocol v2.

`ls-refs` is posted without the usual handshake first. A server that answers anything else
(an older protocol, a redirect) is asked again through `info/refs`, as git itself would. Every
answer is bounded in time, bytes and refs; nothing is written anywhere.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from hookfetch.core.errors import HookfetchError, Permanent, Temporary
from hookfetch.core.observation import RemoteRef
from hookfetch.upstreams.advertisement import Advertisement, LsRefsAnswer
from hookfetch.upstreams.hosts import TooMuch, too_much
from hookfetch.upstreams.pktline import Mark, PacketReader, mark, packet
from hookfetch.upstreams.redirects import MAX_REDIRECTS, follow

MAX_ANSWER = 64 * 1024 * 1024  # bytes, after decompression
_PIECE = 64 * 1024
_V2 = {"Git-Protocol": "version=2"}
_REQUEST = "application/x-git-upload-pack-request"
_RESULT = "application/x-git-upload-pack-result"
_ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
_GONE = frozenset({403, 404, 410, 451})
_OVERLOADED = frozenset({429, 500, 502, 503, 504})  # asking in another way would make it worse


async def ls_refs(
    session: aiohttp.ClientSession, url: URL, prefixes: Sequence[str], timeout: float
) -> Mapping[str, RemoteRef]:
    """Return the refs below any of `prefixes` of the repository at `url`, within `timeout` seconds.

    Permanent when the server refuses or is no git server; TooMuch when it wants to be left alone;
    Temporary when it does not answer in time or not sensibly. The text never holds the URL's credentials.
    """
    place = str(url.with_user(None))
    try:
        async with asyncio.timeout(timeout):
            return await _ask(session, url, tuple(prefixes))
    except TimeoutError as error:
        raise Temporary(f"{place}: no complete answer within {timeout:g} s") from error
    except TooMuch as error:
        raise TooMuch(f"{place}: {error}", error.seconds) from error
    except HookfetchError as error:
        raise type(error)(f"{place}: {error}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Temporary(f"{place}: {_one_line(error)}") from error


async def _ask(
    session: aiohttp.ClientSession, url: URL, prefixes: tuple[str, ...]
) -> Mapping[str, RemoteRef]:
    try:
        return await _post(session, url, prefixes)
    except _NoAnswer:
        return await _handshake(session, url, prefixes)


class _NoAnswer(Temporary):
    """A direct `ls-refs` was not understood; the handshake says why."""


async def _post(
    session: aiohttp.ClientSession, url: URL, prefixes: tuple[str, ...], object_format: str = "sha1"
) -> Mapping[str, RemoteRef]:
    headers = {**_V2, "Content-Type": _REQUEST, "Accept": _RESULT}
    place = _below(url, "git-upload-pack")
    command = _command(prefixes, object_format)
    async with session.post(place, data=command, headers=headers, allow_redirects=False) as response:
        _not_overloaded(response)
        if response.status != 200 or response.content_type != _RESULT:
            raise _NoAnswer(f"ls-refs was answered with {response.status} {response.content_type}")
        answer = LsRefsAnswer(prefixes)
        try:
            await _read(response, answer)
            return answer.finish()
        except Temporary as error:
            raise _NoAnswer(str(error)) from error


async def _handshake(
    session: aiohttp.ClientSession, url: URL, prefixes: tuple[str, ...]
) -> Mapping[str, RemoteRef]:
    place = _below(url, "info/refs").with_query(service="git-upload-pack")
    async with _get(session, place) as response:
        _not_overloaded(response)
        if response.status == 401:
            raise Permanent("401: it asks for a password, or refuses the one of [[upstream]]")
        if response.status in _GONE:
            raise Permanent(f"{response.status}: no such repository, or no access to it")
        if response.status != 200:
            raise Temporary(f"the server answers {response.status}")
        if response.content_type != _ADVERTISEMENT:
            raise Permanent(f"no smart git server: info/refs is {response.content_type}")
        advertisement = Advertisement(prefixes)
        await _read(response, advertisement)
        refs = advertisement.finish()
        base = _above(response.url)
    if advertisement.dialect == "v0":
        return refs
    return await _post(session, base, prefixes, advertisement.object_format)


@asynccontextmanager
async def _get(session: aiohttp.ClientSession, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
    for _ in range(MAX_REDIRECTS + 1):
        async with session.get(url, headers=_V2, allow_redirects=False) as response:
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or location is None:
                yield response
                return
        url = follow(url, location)
        if not url.path.endswith("/info/refs"):
            raise Permanent("redirected to what is no git repository")
    raise Permanent(f"redirected more than {MAX_REDIRECTS} times")


def _not_overloaded(response: aiohttp.ClientResponse) -> None:
    rest = too_much(response.status, response.headers, time.time())
    if rest is not None:
        raise rest
    if response.status in _OVERLOADED:
        raise Temporary(f"the server answers {response.status}")


async def _read(response: aiohttp.ClientResponse, answer: LsRefsAnswer | Advertisement) -> None:
    reader = PacketReader()
    size = 0
    async for piece in response.content.iter_chunked(_PIECE):
        size += len(piece)
        if size > MAX_ANSWER:
            raise Temporary(f"the answer is longer than {MAX_ANSWER} bytes")
        for item in reader.feed(piece):
            answer.take(item)
    reader.finish()


def _command(prefixes: tuple[str, ...], object_format: str) -> bytes:
    # sha1 is what a server expects unless told otherwise; one older than sha256 refuses to be told.
    formats = [] if object_format == "sha1" else [packet(f"object-format={object_format}\n".encode())]
    wanted = [packet(f"ref-prefix {prefix}\n".encode()) for prefix in prefixes]
    parts = [packet(b"command=ls-refs\n"), *formats, mark(Mark.DELIMITER), packet(b"peel\n"), *wanted]
    return b"".join((*parts, mark(Mark.FLUSH)))


def _below(url: URL, path: str) -> URL:
    return url.with_path(f"{url.raw_path.rstrip('/')}/{path}", encoded=True)


def _above(url: URL) -> URL:
    return url.with_path(url.raw_path.removesuffix("/info/refs"), encoded=True)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
