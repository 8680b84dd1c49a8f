"""Git's smart HTTP over a mirror, to be read alone (gitprotocol-http(5)): clone and fetch, shallow, partial,
and of commits by their ids. Nothing is pushed, and the files of a mirror are not given out as such.
"""

import asyncio
import re

from aiohttp import web

from hookfetch.core.errors import Temporary
from hookfetch.originals.folder import Original
from hookfetch.server.door.answer import Refused
from hookfetch.server.door.gunzip import gunzip
from hookfetch.server.originals.finding import Finder, has_names
from hookfetch.server.originals.limits import Limits
from hookfetch.server.originals.names import Repository
from hookfetch.server.originals.sending import Sending
from hookfetch.server.originals.upload_pack import Pack, upload_pack

_SERVICE = "git-upload-pack"
_MOST_BODY = 10 * 1024 * 1024  # bytes, also unpacked: as git-http-backend(1), http.maxRequestBuffer
_VERSION = re.compile(r"(?:^|:)version=([12])(?:$|:)")
_PREAMBLE = b"001e# service=git-upload-pack\n0000"
_FRESH = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}


def method_of(asked: Repository) -> str:
    """Return the method with which a question is to be put; web.HTTPForbidden for a service that is not
    there."""
    if asked.asks_for is None:
        return "POST"
    if asked.asks_for != _SERVICE:  # git-receive-pack, or the files of a mirror
        raise web.HTTPForbidden(text="only git-upload-pack is served here\n")
    return "GET"


async def serve(
    request: web.BaseRequest, asked: Repository, original: Original, finder: Finder, limits: Limits
) -> web.StreamResponse:
    """Answer a question from `original`, which is held."""
    if not await finder.do(has_names, original.content):
        raise web.HTTPNotFound(text="this original is not here yet\n")
    found = _VERSION.search(request.headers.get("Git-Protocol", "")[:64])
    version = int(found[1]) if found else 0
    tells = asked.asks_for is not None
    body = None if tells else await _body(request, finder, limits)
    name = "advertisement" if tells else "result"
    headers = {"Content-Type": f"application/x-{_SERVICE}-{name}", **_FRESH}
    preamble = _PREAMBLE if tells and version != 2 else b""
    async with limits.process(), upload_pack(original.content, version, body, limits.deadline) as pack:
        return await _pass_on(request, pack, web.StreamResponse(headers=headers), preamble, limits)


async def _pass_on(
    request: web.BaseRequest, pack: Pack, response: web.StreamResponse, preamble: bytes, limits: Limits
) -> web.StreamResponse:
    try:
        piece = await pack.read()
    except Temporary as error:
        raise web.HTTPBadGateway(text="git could not read this original\n") from error
    async with Sending(request, response, limits.stall) as sending:
        await sending.send(preamble)
        while piece:
            await sending.send(piece)
            piece = await pack.read()
    return response


async def _body(request: web.BaseRequest, finder: Finder, limits: Limits) -> bytes:
    if request.content_type != f"application/x-{_SERVICE}-request":
        raise web.HTTPUnsupportedMediaType
    coding = request.headers.get("Content-Encoding", "identity").lower()
    if coding not in {"identity", "gzip", "x-gzip"}:
        raise web.HTTPUnsupportedMediaType
    pieces = bytearray()
    try:
        async with asyncio.timeout(limits.stall):
            async for piece in request.content.iter_any():
                pieces += piece
                if len(pieces) > _MOST_BODY:
                    raise web.HTTPRequestEntityTooLarge(_MOST_BODY, len(pieces))
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    if coding == "identity":
        return bytes(pieces)
    try:
        return await finder.do(gunzip, bytes(pieces), _MOST_BODY)
    except Refused as refused:
        if refused.status == web.HTTPRequestEntityTooLarge.status_code:
            raise web.HTTPRequestEntityTooLarge(_MOST_BODY, _MOST_BODY + 1) from refused
        raise web.HTTPBadRequest from refused
