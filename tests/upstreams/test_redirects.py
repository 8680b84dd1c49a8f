import socket

import aiohttp
import aiohttp.abc
import pytest
from aiohttp import web
from yarl import URL

from hookfetch.core.errors import Permanent
from hookfetch.upstreams.ls_refs import ls_refs
from hookfetch.upstreams.redirects import follow, is_inside
from tests.upstreams.serving import routes


class Names(aiohttp.abc.AbstractResolver):
    """Every name is the same address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        found = {"hostname": host, "host": self._address, "port": port, "family": family}
        return [aiohttp.abc.ResolveResult(**found, proto=0, flags=0)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("origin", "location", "target"),
    [
        ("https://a.example/x/info/refs", "/y/info/refs", "https://a.example/y/info/refs"),
        ("http://a.example/x", "https://a.example/x", "https://a.example/x"),
        ("http://a.example/x", "http://a.example/y", "http://a.example/y"),
        ("http://a.example/x", "https://b.example/x", "https://b.example/x"),
        ("http://10.0.0.1/x", "https://10.0.0.2/x", "https://10.0.0.2/x"),
        ("http://127.0.0.1:81/x", "http://127.0.0.1:82/x", "http://127.0.0.1:82/x"),
    ],
)
def test_a_redirect_is_followed(origin: str, location: str, target: str) -> None:
    assert str(follow(URL(origin), location)) == target


@pytest.mark.parametrize(
    ("origin", "location"),
    [
        ("https://a.example/x", "http://a.example/x"),
        ("http://a.example/x", "http://b.example/x"),
        ("http://a.example/x", "file:///etc/passwd"),
        ("http://a.example/x", "ftp://a.example/x"),
        ("http://a.example/x", "https://127.0.0.1/x"),
        ("http://a.example/x", "https://[::1]/x"),
        ("http://a.example/x", "https://localhost/x"),
        ("http://a.example/x", "https://169.254.169.254/latest"),
        ("http://a.example/x", "https://2130706433/x"),
        ("http://a.example/x", "https://0x7f.1/x"),
        ("http://a.example/x", "https://[::ffff:10.0.0.1]/x"),
        ("http://a.example/x", "http://[broken/x"),
    ],
)
def test_a_redirect_is_refused(origin: str, location: str) -> None:
    with pytest.raises(Permanent):
        follow(URL(origin), location)


def test_credentials_stay_with_their_host() -> None:
    origin = URL("https://user:secret@a.example/x")
    assert str(follow(origin, "/y")) == "https://user:secret@a.example/y"
    assert str(follow(origin, "https://b.example/y")) == "https://b.example/y"
    assert str(follow(origin, "https://a.example:8443/y")) == "https://a.example:8443/y"


def test_an_address_of_this_machine_or_its_network_is_inside() -> None:
    inside = (
        "127.0.0.1",
        "127.1",
        "10.1.2.3",
        "192.168.0.1",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "a.localhost.",
    )
    assert [host for host in inside if not is_inside(host)] == []
    outside = ("example.org", "8.8.8.8", "2001:4860:4860::8888", "localhost.example.org", "10.example.org")
    assert [host for host in outside if is_inside(host)] == []


async def test_a_host_outside_does_not_send_us_to_a_private_address() -> None:
    asked: list[str] = []

    async def inwards(request: web.Request) -> web.Response:
        asked.append(request.host)
        raise web.HTTPFound(f"https://127.0.0.1:1{request.path_qs}")

    async with routes(web.route("*", "/{path:.*}", inwards)) as server:
        port = URL(server).port
        # A name outside, which is this machine here.
        resolver = Names("127.0.0.1")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as session:
            with pytest.raises(Permanent, match="redirected to a private address"):
                await ls_refs(session, URL(f"http://upstream.example:{port}/a.git"), ("refs/heads/",), 10)
    assert set(asked) == {f"upstream.example:{port}"}
