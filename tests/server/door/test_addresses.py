"""Who a request comes from, whether their network may send, and how many at once."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest

from hookfetch.server.door.senders import Crowd, client_of, sender_address
from tests.server.door.wire import POST, SLOWEST, Echo, ask, serving

LOOPBACK = ip_network("127.0.0.0/8")
PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:aa::/48"))


async def test_one_address_more_than_its_share_is_told_429_and_the_rest_503() -> None:
    async with serving(Echo(), per_address=3, connections=3) as connect:
        held = [await connect() for _ in range(3)]
        held[0].send(POST + b"\r\n")
        await held[0].answer()
        assert b" 503 " in (await ask(connect, b""))
    async with serving(Echo(), per_address=3) as connect:
        held = [await connect() for _ in range(3)]
        held[0].send(POST + b"\r\n")
        await held[0].answer()
        said = await ask(connect, b"")
        assert said.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 10\r\n" in said
        held[0].writer.close()
        async with asyncio.timeout(SLOWEST):
            while b" 200 " not in await ask(connect, POST + b"Connection: close\r\n\r\n"):
                await asyncio.sleep(0.01)


async def test_a_network_that_may_not_send_is_refused_before_it_has_said_anything() -> None:
    async with serving(Echo(), allow_from=(ip_network("192.0.2.0/24"),)) as connect:
        assert (await ask(connect, b"")).startswith(b"HTTP/1.1 403 ")


async def test_behind_a_trusted_proxy_the_client_is_the_one_who_counts() -> None:
    echo = Echo()
    echo.may_answer.clear()
    head = POST + b"Content-Length: 0\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.9, %s\r\n\r\n"
    limits = {
        "trusted_proxies": (LOOPBACK,),
        "per_address": 2,
        "allow_from": (ip_network("198.51.100.0/24"),),
    }
    async with serving(echo, **limits) as connect:
        busy = [await connect() for _ in range(2)]
        for wire in busy:
            wire.send(head % b"198.51.100.7")
        async with asyncio.timeout(SLOWEST):
            while len(echo.bodies) < 2:
                await asyncio.sleep(0.01)
        assert b" 429 " in await ask(connect, head % b"198.51.100.7")
        assert b" 403 " in await ask(connect, head % b"203.0.113.5")
        assert b" 403 " in await ask(connect, head % b"no address")
        echo.may_answer.set()
        assert all([b" 200 " in await wire.everything() for wire in busy])
        assert b" 200 " in await ask(connect, head % b"198.51.100.7")
    assert set(echo.senders) == {"198.51.100.7"}


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
