"""Files by the addresses that they had upstream, with their checksums: to be continued, and asked for only
where they changed.
"""

import base64
from pathlib import Path

from aiohttp import web

from hookfetch.originals.folder import Original
from hookfetch.server.originals.conditions import Part, http_date, part_of
from hookfetch.server.originals.finding import Finder, KeptFile, file_of
from hookfetch.server.originals.limits import Limits
from hookfetch.server.originals.names import File
from hookfetch.server.originals.sending import Sending

_PIECE = 256 * 1024  # bytes


async def serve(
    request: web.BaseRequest, asked: File, original: Original, finder: Finder, limits: Limits
) -> web.StreamResponse:
    """Answer a question from `original`, which is held."""
    kept = await finder.do(file_of, original.content, asked.digest)
    if kept is None:
        raise web.HTTPNotFound(text="this original is not here\n")
    etag, modified = f'"{kept.digest}"', int(kept.since)
    part = part_of(request.headers, etag, modified, kept.size)
    response = web.StreamResponse(status=part.status, headers=_headers(kept, etag, modified))
    if part.status == 416:
        response.headers["Content-Range"] = f"bytes */{kept.size}"
    if part.status == 206:
        response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{kept.size}"
    if part.status in {200, 206}:
        response.content_type = "application/octet-stream"
        response.headers["Repr-Digest"] = _digest(kept.digest)
    if part.status != 304:
        response.content_length = part.end - part.start
    async with Sending(request, response, limits.stall) as sending:
        if request.method == "GET":
            await _send(sending, kept.path, part, finder)
    return response


async def _send(sending: Sending, path: Path, part: Part, finder: Finder) -> None:
    at = part.start
    while at < part.end:
        piece = await finder.do(_read, path, at, min(_PIECE, part.end - at))
        if not piece:
            raise web.HTTPInternalServerError  # it is shorter than it was: the client is cut off
        await sending.send(piece)
        at += len(piece)


def _read(path: Path, start: int, size: int) -> bytes:
    # Opened for each piece: a client that leaves in the middle leaves nothing behind. The name is its
    # content's.
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _headers(kept: KeptFile, etag: str, modified: int) -> dict[str, str]:
    return {
        "ETag": etag,
        "Last-Modified": http_date(modified),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",  # to be kept, and asked about: an upstream may put another file there
        "X-Checksum-Sha256": kept.digest,
        "X-Content-Type-Options": "nosniff",
    }


def _digest(digest: str) -> str:
    """Return the checksum of the whole file, whatever part is sent (RFC 9530, 3)."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode('ascii')}:"
