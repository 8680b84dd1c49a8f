"""Where a broker's nodes are, and that any of them will do."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.link import Link, broker_address, broker_urls
from hookfetch.config import BusConfig
from hookfetch.core.errors import ConfigurationError, Temporary
from tests.support.broker import free_ports


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("amqp://h/", ["amqp://h/?heartbeat=15"]),
        ("amqp://h/?heartbeat=2", ["amqp://h/?heartbeat=2"]),
        (
            "amqp://u:p%2F@a,b:5673/v?x=1",
            ["amqp://u:p%2F@a/v?x=1&heartbeat=15", "amqp://u:p%2F@b:5673/v?x=1&heartbeat=15"],
        ),
        (
            "amqps://u:p,q@[::1]:1,[::2]?heartbeat=3",
            ["amqps://u:p,q@[::1]:1/?heartbeat=3", "amqps://u:p,q@[::2]/?heartbeat=3"],
        ),
    ],
)
def test_the_nodes_of_a_url_share_all_but_host_and_port(text: str, nodes: list[str]) -> None:
    assert [str(url) for url in broker_urls(text)] == nodes


@pytest.mark.parametrize(
    "text",
    [
        "h",
        "http://h/",
        "amqp://",
        "amqp:///v",
        "amqp://a,/",
        "amqp://,a/",
        "amqp://a:0/",
        "amqp://a:x/",
        "amqp://a/,amqp://b/",
        "amqp://a,amqp://b",
        "amqp://u:s3cret@a,,b/",
    ],
)
def test_what_is_no_url_of_a_broker_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^bus\.url: not of the form") as refused:
        broker_urls(text)
    assert "s3cret" not in str(refused.value)


def test_user_and_password_from_files_are_shown_to_every_node(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("u")
    (tmp_path / "password").write_text("p@,/")
    bus = BusConfig(url="amqp://a,b:1/v", user_file=tmp_path / "user", password_file=tmp_path / "password")
    urls = broker_urls(bus.broker_url() or "")
    assert [(url.host, url.user, url.password) for url in urls] == [("a", "u", "p@,/"), ("b", "u", "p@,/")]


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """A port that takes connections and says nothing, as a frozen node's does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


async def test_a_node_that_is_gone_and_one_that_is_frozen_are_passed_over(amqp_url: str, silent: int) -> None:
    [closed] = free_ports(1)
    several = amqp_url.replace("@", f"@127.0.0.1:{closed},127.0.0.1:{silent},")
    link = Link(broker_address(several), timeout=6.0)
    await link.open()
    await link.close()


async def test_nodes_that_all_fail_are_named_in_bounded_time(silent: int) -> None:
    [closed] = free_ports(1)
    link = Link(broker_address(f"amqp://127.0.0.1:{closed},127.0.0.1:{silent}/"), timeout=0.4)
    async with asyncio.timeout(5):
        with pytest.raises(
            Temporary, match=rf"broker 127\.0\.0\.1:{closed}, 127\.0\.0\.1:{silent}: .*in time"
        ):
            await link.open()


async def test_an_error_that_is_its_own_cause_is_told_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object, **__: object) -> None:
        # As when a connection fails for two at once: each chains the one error to its own.
        error = ConnectionError("reset")
        error.__cause__ = OSError("lost")
        error.__cause__.__context__ = error
        raise error

    monkeypatch.setattr("aio_pika.connect", connect)
    with pytest.raises(Temporary, match="reset"):
        await Link(broker_address("amqp://h/"), timeout=1.0).open()
