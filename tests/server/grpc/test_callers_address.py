"""Those who show nothing are told apart by where they are."""

import pytest

from hookfetch.server.grpc.admission.credentials import host


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ("ipv4:192.0.2.7:4711", "ipv4:192.0.2.7"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:4711", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::9]:80", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[fe80::1%eth0]:80", "ipv6:fe80::/64"),
        ("ipv6:[::ffff:192.0.2.7]:4711", "ipv4:192.0.2.7"),
        ("unix:", "unix"),
        ("unix:/run/hookfetch.sock", "unix"),
    ],
)
def test_an_ipv6_network_is_one_caller(peer: str, who: str) -> None:
    assert host(peer) == who
