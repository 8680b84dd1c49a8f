"""A door over real HTTP with hooks of a forge that signs, and a sender for it."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected
from hookfetch.core.events import UpstreamFact
from hookfetch.server.door.house import Limits
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import DeliveryStore, Hook, Ingress

SECRET = "hookfetch-test-secret"
BODY = b'{"ref": "refs/heads/main"}'
MAX_BODY = 100_000


class SignedForge:
    """A forge whose deliveries are signed and have an id: what the door needs of any."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
        given = headers.get("x-signature", "")
        if not any(hmac.compare_digest(given.encode(), sign(body, secret).encode()) for secret in secrets):
            raise Rejected("signature", "x-signature was not made with a configured secret")
        if now - float(headers.get("x-timestamp", now)) > 300:
            raise Rejected("timestamp", "x-timestamp is too old")

    def delivery_id(self, headers: Mapping[str, str], body: bytes) -> str | None:
        return headers.get("x-delivery")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        raise AssertionError("the door parses nothing")


class FailingForge(SignedForge):
    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
        raise ZeroDivisionError(f"a bug that knows {SECRET}")


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def signed(body: bytes = BODY, **headers: str) -> dict[str, str]:
    return {"X-Signature": sign(body), **{name.replace("_", "-"): text for name, text in headers.items()}}


class Client:
    """A sender: `port` for raw bytes, `post` for proper requests."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.port = port

    async def post(
        self, headers: Mapping[str, str], body: bytes | AsyncIterator[bytes] = BODY, path: str = "/hooks/glib"
    ) -> tuple[int, dict[str, str], Mapping[str, str]]:
        async with self.session.post(self.url(path), data=body, headers=headers) as response:
            return response.status, await response.json(), response.headers

    async def get(self, path: str) -> tuple[int, Mapping[str, str]]:
        async with self.session.get(self.url(path)) as response:
            return response.status, response.headers

    async def raw(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def door(
    spool: DeliveryStore, clock: Callable[[], float] = lambda: 1000.0, body_seconds: float = 10.0
) -> AsyncIterator[Client]:
    hooks = {
        "glib": Hook(name="glib", forge=SignedForge(), secrets=("old", SECRET)),
        "broken": Hook(name="broken", forge=FailingForge(), secrets=(SECRET,)),
        "elsewhere": Hook(
            name="elsewhere", forge=SignedForge(), secrets=(SECRET,), allow_from=(ip_network("192.0.2.0/24"),)
        ),
        "here": Hook(
            name="here", forge=SignedForge(), secrets=(SECRET,), allow_from=(ip_network("127.0.0.0/8"),)
        ),
    }
    limits = Limits(max_body=MAX_BODY, body_seconds=body_seconds)
    server = HttpServer(Ingress(hooks, spool, clock, MAX_BODY), "127.0.0.1:0", limits)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, server.port)
    finally:
        await server.stop()
