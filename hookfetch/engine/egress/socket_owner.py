"""Whose is the other end of a TCP connection within this machine? The kernel is asked, and never that end."""

import socket
import struct
import sys
from pathlib import Path

Place = tuple[str, int]  # of IPv4

# sock_diag(7): a request for one socket, and where its answer has the user.
_HEADER = struct.Struct("=LHHLL")
_REQUEST = struct.Struct("=BBBBL 2s2s 4s12x 4s12x L8s")
_BY_FAMILY, _IS_REQUEST, _ANY_STATE, _NO_COOKIE = 20, 1, 0xFFFFFFFF, b"\xff" * 8
_USER = struct.Struct("=L")
_USER_AT = _HEADER.size + 64
_NETLINK_SOCK_DIAG = 4


def owner_of(local: Place, remote: Place) -> int | None:
    """Return the user id of the socket at `local` that is connected to `remote`; None if there is none."""
    try:
        return _asked(local, remote)
    except OSError:  # a sandbox without netlink has /proc, which takes as long as there are connections
        return _listed(local, remote)


def _asked(local: Place, remote: Place) -> int | None:
    ends = [port.to_bytes(2, "big") for _, port in (local, remote)]
    ends += [socket.inet_aton(host) for host, _ in (local, remote)]
    wanted = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_STATE, *ends, 0, _NO_COOKIE)
    header = _HEADER.pack(_HEADER.size + len(wanted), _BY_FAMILY, _IS_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)
        kernel.send(header + wanted)
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        return None  # an error, which is that there is no such socket
    return int(_USER.unpack_from(answer, _USER_AT)[0])


def _listed(local: Place, remote: Place) -> int | None:
    """Do as `owner_of` by /proc/net/tcp (proc(5)), which has addresses in the byte order of the machine."""
    ends = [f"{_number(host):08X}:{port:04X}" for host, port in (local, remote)]
    with Path("/proc/net/tcp").open(encoding="ascii") as connections:
        return next((int(line[7]) for line in map(str.split, connections) if line[1:3] == ends), None)


def _number(host: str) -> int:
    return int.from_bytes(socket.inet_aton(host), sys.byteorder)
