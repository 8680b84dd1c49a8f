"""Where may a git server send us? Pure; no name is resolved here.

An element's own URL is its operator's and may lead anywhere. A redirect is the server's word:
it may not leave http(s), not fall back from https, leave its host only for https, and not
lead from outside to an address of this machine or its network that is written as such.
"""

import ipaddress
import socket

from yarl import URL

from hookfetch.core.egress import is_public
from hookfetch.core.errors import Permanent

MAX_REDIRECTS = 5


def follow(origin: URL, location: str) -> URL:
    """Return where `location`, received from `origin`, leads; Permanent when it may not be followed."""
    try:
        target = origin.join(URL(location))
    except ValueError as error:
        raise Permanent("redirected to what is no URL") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise Permanent(f"redirected to {target.scheme or 'no'} scheme, which is not followed")
    if origin.scheme == "https" and target.scheme == "http":
        raise Permanent("redirected from https to http")
    same = target.host == origin.host
    if not same and target.scheme != "https":
        raise Permanent("redirected to another host without https")
    if is_inside(target.host) and not is_inside(origin.host or ""):
        raise Permanent("redirected to a private address")
    if same and target.port == origin.port:
        return target.with_user(origin.user).with_password(origin.password)
    return target.with_user(None)  # credentials stay with the host that they are for


def is_inside(host: str) -> bool:
    """Return whether `host` names this machine or a private network, in any way to write an address."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and not is_public(str(address))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        pass
    try:
        # The forms that a resolver also takes for an address: 127.1, 0x7f000001, 2130706433.
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except OSError:
        return None
