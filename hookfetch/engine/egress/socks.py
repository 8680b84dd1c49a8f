"""What the server of a SOCKS5 connection reads and writes before it begins (RFC 1928). A user (RFC 1929) is
who he says he is: his password is not looked at. It connects nothing itself.
"""

import socket
from asyncio import StreamReader, StreamWriter

DONE, NOT_ALLOWED, UNREACHABLE = 0, 2, 4  # replies
_NO_COMMAND, _NO_FAMILY = 7, 8

_VERSION, _CONNECT = 5, 1
_BY_NOTHING, _BY_PASSWORD, _BY_NONE_OF_THESE = 0, 2, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4


class NotServed(Exception):
    """The client asks for what there is not; it has been told."""


async def wanted(reader: StreamReader, writer: StreamWriter) -> tuple[str | None, str, int]:
    """Return the user, None for a client that has none, and the host and port that it wants; NotServed, and
    as the streams raise."""
    user = await _user(reader, writer)
    version, command, _, kind = await reader.readexactly(4)
    if version != _VERSION or command != _CONNECT:
        reply(writer, _NO_COMMAND)
        raise NotServed
    if kind == _NAME:
        host = (await _counted(reader)).decode("ascii", "replace")
    elif kind in (_IPV4, _IPV6):
        family, size = (socket.AF_INET, 4) if kind == _IPV4 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, await reader.readexactly(size))
    else:
        reply(writer, _NO_FAMILY)
        raise NotServed
    return user, host, int.from_bytes(await reader.readexactly(2))


def reply(writer: StreamWriter, code: int) -> None:
    """Say how it went, with no address: nobody needs to know from where he is connected."""
    writer.write(bytes((_VERSION, code, 0, _IPV4)) + bytes(6))


async def _user(reader: StreamReader, writer: StreamWriter) -> str | None:
    version, count = await reader.readexactly(2)
    ways = await reader.readexactly(count)
    way = next((way for way in (_BY_PASSWORD, _BY_NOTHING) if way in ways), _BY_NONE_OF_THESE)
    writer.write(bytes((_VERSION, way)))
    if version != _VERSION or way == _BY_NONE_OF_THESE:
        raise NotServed
    if way == _BY_NOTHING:
        return None
    await reader.readexactly(1)  # the version of RFC 1929, of which there is one
    user, _ = await _counted(reader), await _counted(reader)
    writer.write(b"\1\0")
    return user.decode("ascii", "replace")


async def _counted(reader: StreamReader) -> bytes:
    (size,) = await reader.readexactly(1)
    return await reader.readexactly(size)
