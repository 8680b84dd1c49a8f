"""Who stands at the door: their address, whether their network may, and how many at once. Pure."""

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The networks that a single sender is given whole (RFC 6177): counting single addresses would not bound it.
_IPV6_PREFIX = 64


def sender_address(text: str) -> Address | None:
    """Return an address as sockets and proxies write it, with or without its port; None if it is none.

    An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Return whether one of `networks` holds `address`."""
    return any(address.version == network.version and address in network for network in networks)


def client_of(peer: Address, forwarded_for: str, trusted: Sequence[Network]) -> Address:
    """Return who sent a request that came from `peer` with this X-Forwarded-For.

    Each proxy adds on the right whom it had the request from, so that is read from the right for
    as long as the one who wrote is in `trusted`; what stands further left anyone may have made
    up. An entry that is no address is not passed: then it was the proxy.
    """
    client = peer
    entries = forwarded_for.split(",") if forwarded_for else []
    while entries and is_in(client, trusted):
        address = sender_address(entries.pop())
        if address is None:
            break
        client = address
    return client


class Crowd:
    """Counts what is under way for each sender: at most `most` at once, an IPv6 /64 as one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[object] = Counter()

    def enter(self, address: Address) -> bool:
        """Count one more for `address` and return True, unless it has as many as it may."""
        key = _key(address)
        if self._counts[key] >= self._most:
            return False
        self._counts[key] += 1
        return True

    def leave(self, address: Address) -> None:
        """Count one less; senders with nothing under way are forgotten."""
        key = _key(address)
        self._counts[key] -= 1
        if self._counts[key] <= 0:
            del self._counts[key]

    def __len__(self) -> int:
        return len(self._counts)


def _key(address: Address) -> object:
    return address.packed[: _IPV6_PREFIX // 8] if isinstance(address, IPv6Address) else address
