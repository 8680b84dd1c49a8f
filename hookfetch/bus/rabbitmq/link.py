"""One connection to a RabbitMQ broker, opened when it is needed and again after it is lost. Whatever
the client library raises becomes Temporary here, in bounded time and without the URL's password."""

import asyncio
import ssl
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
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from yarl import URL

from hookfetch.core.errors import ConfigurationError, HookfetchError, Temporary

log = structlog.get_logger(__name__)

_HEARTBEAT = 15  # seconds; a broker that froze is noticed after three of them
_REDIAL = 0.5  # seconds between attempts to connect, however many callers ask
_CLOSING = 5.0  # seconds that a polite goodbye may take


def broker_url(text: str) -> URL:
    """Return the URL of a broker, with a heartbeat; ConfigurationError (which does not repeat it)
    when it is none."""
    try:
        url = URL(text)
        usable = url.scheme in {"amqp", "amqps"} and url.host and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("bus.url: not of the form amqp://user:password@host:port/vhost")
    return url if "heartbeat" in url.query else url.update_query(heartbeat=_HEARTBEAT)


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
        raise Temporary(f"{what}: {type(error).__name__}: {error}".rstrip(": ")) from error
    except Exception as error:
        if type(error) is not Exception:  # which is what the library raises for a closed channel
            log.exception("unexpected_broker_error", what=what)
        raise Temporary(f"{what}: {type(error).__name__}: {error}".rstrip(": ")) from error


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is. `tls` decides whom to trust, where `url` is `amqps`."""

    url: URL = field(repr=False)
    tls: ssl.SSLContext | None = None


def broker_address(
    url: str, *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> Address:
    """Return a broker's address. Over `amqps` its certificate must be signed by `ca` (PEM; the system's
    authorities without one) for the URL's host; `certificate` and `key` (PEM) are shown to it.
    ConfigurationError says what cannot be used, without repeating the URL."""
    broker = broker_url(url)
    if broker.scheme != "amqps":
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
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None


class Link:
    """A connection that its users share; `timeout` (seconds) bounds opening it and each channel."""

    def __init__(self, address: Address, timeout: float) -> None:
        url = address.url
        self._address = address
        self._timeout = timeout
        self._place = f"broker {url.host}:{url.port or url.scheme}"
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
            self._connection = await aio_pika.connect(self._address.url, ssl_context=self._address.tls)
            log.info("broker_connected", broker=self._place)
            return self._connection


async def _goodbye(resource: AbstractChannel | AbstractConnection) -> None:
    """Close; a broker that is gone already gets no goodbye, and needs none."""
    try:
        with temporary("closing"):
            async with asyncio.timeout(_CLOSING):
                await resource.close()
    except Temporary as error:
        log.info("broker_left_without_goodbye", reason=str(error))
