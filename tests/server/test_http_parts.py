"""What the door reads, as values: compressed bodies, and who a request comes from."""

import gzip
import zlib
from ipaddress import ip_address, ip_network

import pytest

from hookfetch.server.door.answer import Refused
from hookfetch.server.door.gunzip import gunzip
from hookfetch.server.door.senders import Crowd, client_of, sender_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:aa::/48"))


@pytest.mark.parametrize("text", [b"", b"x", b"push" * 200_000])
def test_a_gzip_body_opens_to_what_was_packed(text: bytes) -> None:
    assert gunzip(gzip.compress(text), len(text)) == text


def test_members_behind_each_other_are_one_body() -> None:
    assert gunzip(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two"), 7) == b"one two"


def test_one_byte_over_the_limit_is_too_large_whichever_member_has_it() -> None:
    for body in (gzip.compress(b"x" * 11), gzip.compress(b"x" * 10) + gzip.compress(b"y")):
        with pytest.raises(Refused) as refused:
            gunzip(body, 10)
        assert refused.value.status == 413


WHOLE = gzip.compress(b"a delivery" * 50)


@pytest.mark.parametrize(
    "body",
    [
        *(WHOLE[:length] for length in range(len(WHOLE))),
        WHOLE + b"\0",
        WHOLE + b"garbage",
        WHOLE + WHOLE[:12],
        WHOLE[:-8] + bytes(8),
        zlib.compress(b"another format"),
        gzip.compress(b"") * 65,
    ],
)
def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        gunzip(body, 1000)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:443 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("192.0.2.999", None),
    ],
)
def test_an_address_is_read_as_sockets_and_proxies_write_it(text: str, address: str | None) -> None:
    assert sender_address(text) == (ip_address(address) if address else None)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "203.0.113.5", "192.0.2.1"),  # nobody trusts it
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.5", "203.0.113.5"),  # what its sender made up
        ("10.0.0.1", "203.0.113.5, 10.0.0.2", "203.0.113.5"),  # two proxies
        ("10.0.0.1", "203.0.113.5, nonsense", "10.0.0.1"),
        ("2001:db8:aa::1", "2001:db8:bb::5", "2001:db8:bb::5"),
    ],
)
def test_the_client_is_read_from_the_right_for_as_long_as_proxies_are_trusted(
    peer: str, forwarded: str, client: str
) -> None:
    assert client_of(ip_address(peer), forwarded, PROXIES) == ip_address(client)


def test_a_network_that_a_sender_is_given_whole_counts_as_one_and_is_forgotten_at_the_end() -> None:
    crowd = Crowd(2)
    assert crowd.enter(ip_address("2001:db8::1"))
    assert crowd.enter(ip_address("2001:db8::ffff:2"))
    assert not crowd.enter(ip_address("2001:db8::3"))
    assert crowd.enter(ip_address("2001:db8:0:1::3"))
    assert crowd.enter(ip_address("192.0.2.1"))
    for address in ("2001:db8::1", "2001:db8::1", "2001:db8:0:1::3", "192.0.2.1"):
        crowd.leave(ip_address(address))
    assert len(crowd) == 0
