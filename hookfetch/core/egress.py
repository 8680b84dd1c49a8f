"""Where may a connection lead? Pure: nothing is resolved or connected here.

What a project names, as its maintainers wrote it and its operator configured it, may lie anywhere:
distributions have forges on private networks. All else that is connected to is an upstream's word (a
redirect, a .gitmodules, a lock file), and must be at public addresses alone, so that no upstream reaches what
only this machine reaches.

A name counts with its port, since the other ports of a forge's machine are other services: who names
https://forge.lan names neither its ssh nor its database. Who names a host over http names its port 443 as
well, where forges redirect to. A name stands for itself, not for the addresses behind it.
"""

import re
from collections.abc import Iterable, Set
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

Place = tuple[str, int]  # a host as `canonical` writes it, and a port

_PORTS = {"http": 80, "https": 443, "ftp": 21, "ssh": 22, "git": 9418}
# git-clone(1), "GIT URLS": `[user@]host:path`. A double colon is none, and neither is a scheme.
_SCP = re.compile(r"(?:[^/@:\s]+@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/@:\[\]\s]+):(?!//|:)\S")
_PROTOCOLS = IPv4Network("192.0.0.0/24")  # RFC 6890, 2.2.2; parts of it are global to `ipaddress`
_UNICAST = IPv6Network("2000::/3")  # RFC 4291, 2.4, as far as it is given out
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: leads to the IPv4 address that stands at its end


def canonical(host: str) -> str:
    """Return `host` in the one way in which hosts are compared here."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name  # of no form that a resolver knows


def named_by(address: str) -> frozenset[Place]:
    """Return the places that an address names as it stands in a project, `scheme://host[:port]/…` or
    `[user@]host:path`; none where it is no address of another machine."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return frozenset()
    if host and (port or parts.scheme in _PORTS):
        place = canonical(host), port or _PORTS[parts.scheme]
        return frozenset({place, (place[0], 443)} if parts.scheme == "http" else {place})
    found = _SCP.match(address)
    return frozenset({(canonical(found["host"]), _PORTS["ssh"])} if found else ())


def is_public(address: str) -> bool:
    """Return whether an address, as a resolver writes it, belongs to the public Internet, also behind those
    that only carry an IPv4 address; ValueError where it is none."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        carried = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            carried = IPv4Address(int(parsed) & 0xFFFFFFFF)
        if carried is None:
            return parsed in _UNICAST and parsed.is_global
        parsed = carried
    return parsed.is_global and not parsed.is_multicast and parsed not in _PROTOCOLS


def refusal(host: str, port: int, addresses: Iterable[str], named: Set[Place]) -> str | None:
    """Return why nobody may connect to `port` of `host`, which is at `addresses`, where the places in `named`
    may lie anywhere; None where it is allowed. One private address among public ones is enough."""
    private = next((each for each in addresses if not is_public(each)), None)
    name = canonical(host)
    if private is None or (name, port) in named:
        return None
    place = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    if name == canonical(private):
        return f"{place} is a private address, which the project does not name"
    return f"{place} is at the private address {private}, and the project does not name this host and port"
