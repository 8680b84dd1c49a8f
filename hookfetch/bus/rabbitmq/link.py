"""One connection to a RabbitMQ broker, opened when it is needed and again after it is lost. Whatever
the client library raises becomes Temporary here, in bounded time and without the URL's password."""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelClosed,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq.exceptions import ChannelAccessRefused
from yarl import URL

from hookfetch.core.errors import ConfigurationError, HookfetchError, Temporary

log = structlog.get_logger(__name__)

_HEARTBEAT = 15  # seconds; a broker that froze is noticed after three of them
_REDIAL = 0.5  # seconds between attempts to connect, however many callers ask
_CLOSING = 5.0  # seconds that a polite goodbye may take


def broker_urls(text: str) -> tuple[URL, ...]:
    """Return the URL of each node of a broker, with a heartbeat. A cluster's nodes stand in the place of
    the host, with commas between them; they share all else. ConfigurationError (which does not repeat
    the URL) when it is none."""
    # What stands before the nodes, they themselves, and what comes after.
    parts = re.fullmatch(r"(amqps?://(?:[^/?#]*@)?)([^/?#@]+)(.*)", text)
    try:
        urls = [URL(f"{parts[1]}{node}{parts[3]}") for node in parts[2].split(",")] if parts else []
        # Several whole URLs would be read as one with a strange vhost.
        usable = urls and text.count("://") == 1 and all(url.host and url.port != 0 for url in urls)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("bus.url: not of the form amqp://user:password@host:port,host:port/vhost")
    return tuple(url if "heartbeat" in url.query else url.update_query(heartbeat=_HEARTBEAT) for url in urls)


@contextmanager
def temporary(what: str) -> Iterator[None]:
    """Raise Temporary for whatever goes wrong with the broker inside: `what` says with what."""
    try:
        yield
    except HookfetchError:
        raise
    except asyncio.CancelledError as error:
        # The library also cancels the waiters of a connection that it closes: that is no wish of ours.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Temporary(f"{what}: the connection was lost") from error
    except TimeoutError as error:
        raise Temporary(f"{what}: the broker did not answer in time") from error
    except PublishError as error:  # also in the first second after a broker's start, for a stream
        raise Temporary(f"{what}: the broker has no queue that takes it") from error
    except DeliveryError as error:
        raise Temporary(f"{what}: the broker refused it, most likely because the queue is full") from error
    except (AMQPError, OSError, RuntimeError) as error:
        words = why_closed(error) or f"{type(error).__name__}: {error}".rstrip(": ")
        raise Temporary(f"{what}: {words}") from error
    except Exception as error:
        if type(error) is not Exception:  # which is what the library raises for a closed channel
            log.exception("unexpected_broker_error", what=what)
        raise Temporary(f"{what}: {type(error).__name__}: {error}".rstrip(": ")) from error


def why_closed(error: BaseException | None) -> str:
    """Return the broker's words for closing a channel, and what to do about it; none when it was not the
    broker."""
    said = " ".join(str(word) for word in error.args if word) if isinstance(error, ChannelClosed) else ""
    if isinstance(error, ChannelAccessRefused):
        return f"{said}: the user needs the permissions in deploy/rabbitmq/definitions.json"
    if isinstance(error, ChannelPreconditionFailed) and "timed out" in said:
        return f"{said}: see Long jobs in docs/operating.md"
    return said


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker's nodes are. `tls` decides whom to trust, where `urls` are `amqps`."""

    urls: tuple[URL, ...] = field(repr=False)
    tls: ssl.SSLContext | None = None


def broker_address(
    url: str, *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> Address:
    """Return a broker's address. Over `amqps` its certificate must be signed by `ca` (PEM; the system's
    authorities without one) for the URL's host; `certificate` and `key` (PEM) are shown to it.
    ConfigurationError says what cannot be used, without repeating the URL."""
    broker = broker_urls(url)
    if broker[0].scheme != "amqps":
        if ca or certificate or key:
            raise ConfigurationError("bus.ca_file, bus.cert_file, bus.key_file: need an amqps:// URL")
        return Address(broker)
    if key and not certificate:
        raise ConfigurationError("bus.key_file: needs bus.cert_file beside it")
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigurationError(f"{ca}: bus.ca_file: no certificates can be read: {error}") from error
    if certificate:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            raise ConfigurationError(
                f"{certificate}: bus.cert_file, bus.key_file: no pair that can be read: {error}"
            ) from error
    return Address(broker, context)


def _distrusted(error: BaseException) -> str | None:
    """Return why the broker's certificate was refused, if that is what `error` comes from."""
    cause: BaseException | None = error
    seen: list[BaseException] = []  # one error that several waited for can stand in a circle of causes
    while cause is not None and cause not in seen:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None


class Link:
    """A connection that its users share; `timeout` (seconds) bounds opening it and each channel.

    Of several nodes any will do. They are tried in turn, each for its share of the time, and after a lost
    connection the next one is first.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self._urls = deque(address.urls)
        self._tls = address.tls
        self._timeout = timeout
        self._place = f"broker {', '.join(map(_place, address.urls))}"
        self._connection: AbstractConnection | None = None
        self._dialling = asyncio.Lock()
        self._not_before = 0.0

    async def open(self) -> None:
        """Connect now; ConfigurationError when the broker knows no such user, Temporary when it
        is unreachable."""
        with temporary(self._place):
            async with asyncio.timeout(self._timeout):
                try:
                    await self._connected()
                except (AuthenticationError, ProbableAuthenticationError) as error:
                    raise ConfigurationError(f"{self._place}: refused the user or the password") from error
                except OSError as error:
                    reason = _distrusted(error)
                    if reason is None:
                        raise
                    raise ConfigurationError(
                        f"{self._place}: its certificate is not trusted ({reason}): let bus.ca_file name the"
                        " authority that signed it, and bus.url the host that it is for"
                    ) from error

    async def channel(self, *, on_return_raises: bool = False) -> AbstractChannel:
        """Return a new channel with confirms; Temporary when the broker is unreachable."""
        with temporary(self._place):
            async with asyncio.timeout(self._timeout):
                connection = await self._connected()
                channel = connection.channel(on_return_raises=on_return_raises)
                await channel.initialize()
                return channel

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AbstractChannel]:
        """Give a channel of one's own for a while; what it holds unacknowledged goes back after."""
        channel = await self.channel()
        try:
            yield channel
        finally:
            await _goodbye(channel)

    async def close(self) -> None:
        """Leave the broker."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _goodbye(connection)

    async def _connected(self) -> AbstractConnection:
        async with self._dialling:
            if self._connection is not None and self._connection.connected.is_set():
                return self._connection
            now = asyncio.get_running_loop().time()
            if now < self._not_before:
                raise Temporary(f"{self._place}: unreachable a moment ago")
            self._not_before = now + _REDIAL
            await self.close()
            self._connection = await self._dial()
            return self._connection

    async def _dial(self) -> AbstractConnection:
        for left in reversed(range(len(self._urls))):
            url = self._urls[0]
            self._urls.rotate(-1)
            try:
                async with asyncio.timeout(self._timeout / len(self._urls)):
                    connection = await aio_pika.connect(url, ssl_context=self._tls)
            except (AMQPError, OSError, RuntimeError) as error:
                if not left:
                    raise
                log.warning("broker_node_unreachable", broker=_place(url), reason=type(error).__name__)
            else:
                log.info("broker_connected", broker=_place(url))
                return connection
        raise AssertionError("a broker has at least one node")


def _place(url: URL) -> str:
    return f"{url.host}:{url.port or url.scheme}"


async def _goodbye(resource: AbstractChannel | AbstractConnection) -> None:
    """Close; a broker that is gone already gets no goodbye, and needs none."""
    try:
        with temporary("closing"):
            async with asyncio.timeout(_CLOSING):
                await resource.close()
    except Temporary as error:
        log.info("broker_left_without_goodbye", reason=str(error))
