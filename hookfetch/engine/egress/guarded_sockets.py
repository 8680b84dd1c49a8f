"""Keeps this process's sockets from private addresses that the project does not name. Importing it is all.

A host is judged when it is resolved, and the very addresses that were judged are connected to: what its name
server says a moment later changes nothing. A socket that is given a name, or an address that nobody has
judged, judges it then. gRPC resolves and connects in its own C code: source caches are not looked at.
An import, as `patience` is one, for the children of a forkserver.
"""

import socket
from typing import Any, Self

from hookfetch.core.egress import is_public, refusal
from hookfetch.engine.egress.named import read_named

_INTERNET = (socket.AF_INET, socket.AF_INET6)

_getaddrinfo = socket.getaddrinfo
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


class NotNamed(ConnectionError):
    """The host is at a private address and the project does not name it."""


class _Judged(str):
    """A numeric address that was judged, for `port`, under the name by which it was asked for."""

    __slots__ = ("port",)
    port: int

    def __new__(cls, address: str, port: int) -> Self:
        judged = super().__new__(cls, address)
        judged.port = port
        return judged


def resolve(host: Any, port: Any, *rest: Any, alias: str | None = None, **more: Any) -> list[Any]:
    """Do as `socket.getaddrinfo`, and raise NotNamed if there may be no connection; `alias` is another name
    by which the project may have written the host."""
    found = _getaddrinfo(host, port, *rest, **more)
    if host is None:  # this machine's own, to be listened at
        return found
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    places = [each[4] for each in found if each[0] in _INTERNET]
    addresses = [str(place[0]) for place in places]
    if not all(map(is_public, addresses)):
        named = read_named()
        number = int(places[0][1])
        said = refusal(name, number, addresses, named)
        if said and (alias is None or refusal(alias, number, addresses, named)):
            raise NotNamed(said)
    return [(*each[:4], _mark(each[4])) if each[0] in _INTERNET else each for each in found]


def _mark(place: Any) -> Any:
    return (_Judged(place[0], place[1]), *place[1:])


def _judged(self: socket.socket, address: Any) -> Any:
    """Return where to connect to for `address`; NotNamed as `resolve`."""
    if self.family not in _INTERNET:
        return address
    if isinstance(address[0], _Judged) and address[0].port == address[1]:
        return address
    # The empty name is this machine's (ip(7), INADDR_ANY).
    return resolve(address[0] or "localhost", address[1], self.family, self.type)[0][4]


def _connect_judged(self: socket.socket, address: Any) -> None:
    _connect(self, _judged(self, address))


def _connect_ex_judged(self: socket.socket, address: Any) -> int:
    return _connect_ex(self, _judged(self, address))


socket.getaddrinfo = resolve
socket.socket.connect = _connect_judged  # type: ignore[method-assign, assignment]
socket.socket.connect_ex = _connect_ex_judged  # type: ignore[method-assign, assignment]
