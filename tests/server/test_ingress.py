"""The door over real HTTP: nothing is parsed unsigned, nothing is accepted undurable, nothing is told."""

import asyncio
import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected
from hookfetch.core.events import UpstreamFact
from hookfetch.server.door import house
from hookfetch.server.door.house import Limits
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import DeliveryStore, Hook, Ingress
from hookfetch.spool import SegmentSpool

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


class FailingSpool:
    """A disk that breaks in a way that nobody thought of."""

    async def append(self, delivery: Delivery) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    async def check(self) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")


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


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[SegmentSpool]:
    async with SegmentSpool(tmp_path / "spool", 1024 * 1024) as opened:
        yield opened


@pytest.fixture
async def client(spool: SegmentSpool) -> AsyncIterator[Client]:
    async with door(spool) as opened:
        yield opened


async def test_a_signed_delivery_is_stored_as_it_came_and_answered_with_its_id(
    spool: SegmentSpool, client: Client
) -> None:
    status, answer, _ = await client.post(signed(X_Delivery="4711"))
    assert (status, answer) == (202, {"delivery": "glib/4711"})
    [taken] = await spool.take(9)
    assert taken.delivery.id == "glib/4711"
    assert taken.delivery.hook == "glib"
    assert taken.delivery.body == BODY
    assert taken.delivery.received_at == 1000.0
    assert taken.delivery.headers["x-delivery"] == "4711"


async def test_a_body_that_no_parser_understands_is_accepted_all_the_same(client: Client) -> None:
    body = b"\xff not JSON \x00"
    assert (await client.post(signed(body), body))[0] == 202


async def test_any_configured_secret_may_have_signed(client: Client) -> None:
    assert (await client.post({"X-Signature": sign(BODY, "old")}))[0] == 202


@pytest.mark.parametrize("headers", [{}, {"X-Signature": sign(BODY, "other")}, {"X-Signature": "é"}])
async def test_an_unsigned_delivery_is_refused_and_not_stored(
    spool: SegmentSpool, client: Client, tmp_path: Path, headers: dict[str, str]
) -> None:
    status, answer, _ = await client.post(headers)
    assert (status, answer) == (401, {"error": "signature"})
    await spool.close()
    assert stored_files(tmp_path) == []


def stored_files(directory: Path) -> list[Path]:
    return list((directory / "spool").iterdir())


async def test_a_stale_delivery_is_refused(client: Client) -> None:
    assert (await client.post(signed(X_Timestamp="100")))[:2] == (401, {"error": "timestamp"})


async def test_without_an_id_of_the_forge_each_delivery_gets_its_own(client: Client) -> None:
    first, second = [(await client.post(signed()))[1]["delivery"] for _ in range(2)]
    assert first != second
    assert first.startswith("glib/")


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "a b", "1#2", "x" * 3000, "é", "{secret}"])
async def test_an_id_in_hostile_text_is_hashed_and_stays_equal_on_redelivery(
    client: Client, hostile: str
) -> None:
    first, second = [(await client.post(signed(X_Delivery=hostile)))[1]["delivery"] for _ in range(2)]
    assert first == second
    assert first.startswith("glib/sha256-")
    assert len(first) == len("glib/sha256-") + 64


async def test_a_repeated_signature_is_refused_though_one_is_right(client: Client) -> None:
    head = f"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n".encode()
    for first, second in ((sign(BODY), "wrong"), ("wrong", sign(BODY)), (sign(BODY), sign(BODY))):
        lines = f"X-Signature: {first}\r\nx-signature: {second}\r\n\r\n".encode()
        assert b" 401 " in await client.raw(head + lines + BODY)


async def test_headers_that_proxies_repeat_are_joined(spool: SegmentSpool, client: Client) -> None:
    head = f"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n".encode()
    lines = f"X-Signature: {sign(BODY)}\r\nVia: 1.1 a\r\nVia: 1.1 b\r\n\r\n".encode()
    assert b" 202 " in await client.raw(head + lines + BODY)
    [taken] = await spool.take(1)
    assert taken.delivery.headers["via"] == "1.1 a, 1.1 b"


async def test_an_unknown_hook_is_not_found(client: Client) -> None:
    assert (await client.post(signed(), path="/hooks/other"))[:2] == (404, {"error": "not_found"})
    assert (await client.post(signed(), path="/elsewhere"))[:2] == (404, {"error": "not_found"})


async def test_a_hook_takes_deliveries_from_its_own_networks_only(client: Client) -> None:
    assert (await client.post(signed(), path="/hooks/elsewhere"))[:2] == (403, {"error": "network"})
    assert (await client.post(signed(), path="/hooks/here"))[0] == 202


async def test_only_post_is_allowed(client: Client) -> None:
    status, headers = await client.get("/hooks/glib")
    assert (status, headers["Allow"]) == (405, "POST")


async def test_a_large_body_is_refused_by_its_length_before_it_is_sent(client: Client) -> None:
    head = f"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
    assert b" 413 " in await client.raw(head.encode())


async def test_a_large_body_without_a_length_is_refused_once_it_is_too_large(client: Client) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in await client.raw(head + chunk * 2)


async def test_the_largest_body_is_accepted(client: Client) -> None:
    body = b"x" * MAX_BODY
    assert (await client.post(signed(body), body))[0] == 202


@pytest.mark.parametrize("coding", ["deflate", "br", "gzip, gzip", "zstd-of-my-own"])
async def test_another_compression_than_gzip_is_refused(client: Client, coding: str) -> None:
    assert (await client.post(signed(Content_Encoding=coding)))[0] == 415


async def test_a_gzip_body_is_signed_and_stored_as_what_it_opens_to(
    client: Client, spool: SegmentSpool
) -> None:
    status, _, _ = await client.post(signed(Content_Encoding="gzip"), gzip.compress(BODY))
    assert status == 202
    [taken] = await spool.take(1)
    assert taken.delivery.body == BODY
    assert not {"content-encoding", "content-length"} & taken.delivery.headers.keys()
    packed = gzip.compress(BODY)
    assert (await client.post(signed(packed, Content_Encoding="gzip"), packed))[0] == 401


async def test_a_gzip_bomb_is_refused_as_too_large(client: Client) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    async with asyncio.timeout(2):
        assert (await client.post(signed(Content_Encoding="gzip"), bomb))[0] == 413


async def test_a_damaged_gzip_body_is_a_bad_request(client: Client) -> None:
    whole = gzip.compress(BODY)
    for body in (whole[:-3], whole + b"more", b"", b"no gzip"):
        assert (await client.post(signed(Content_Encoding="gzip"), body))[:2] == (400, {"error": "bad_gzip"})


async def test_a_slow_sender_is_cut_off(spool: SegmentSpool) -> None:
    head = b"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this"
    async with door(spool, body_seconds=0.2) as hurried:
        assert b" 408 " in await hurried.raw(head)


async def test_bodies_that_together_need_too_much_memory_are_refused_until_some_are_gone(
    client: Client, monkeypatch: pytest.MonkeyPatch, spool: SegmentSpool
) -> None:
    monkeypatch.setattr(house, "HELD_BYTES", 0)
    monkeypatch.setattr(house, "HELD_LARGEST", 1)
    part = b"x" * 60_000
    head = f"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY}\r\n\r\n".encode()
    async with door(spool) as crowded:
        _, waiting = await asyncio.open_connection("127.0.0.1", crowded.port)
        waiting.write(head + part)
        answers: list[bytes] = []
        async with asyncio.timeout(10):
            while not answers or b" 503 " not in answers[-1]:
                head_of_small = f"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: {len(part)}\r\n\r\n"
                answers.append(await crowded.raw(head_of_small.encode() + part))
        waiting.close()
        async with asyncio.timeout(10):
            while b" 401 " not in answers[-1]:
                answers.append(await crowded.raw(head_of_small.encode() + part))


async def test_a_full_spool_asks_the_sender_to_come_back(tmp_path: Path) -> None:
    async with SegmentSpool(tmp_path, 4000) as small, door(small) as client:
        assert (await client.get("/ready"))[0] == 200
        answers = [await client.post(signed(X_Delivery=str(number))) for number in range(40)]
        assert answers[0][0] == 202
        status, answer, headers = answers[-1]
        assert (status, answer, headers["Retry-After"]) == (503, {"error": "busy"}, "10")
        status, headers = await client.get("/ready")
        assert (status, headers["Retry-After"]) == (503, "10")
        assert (await client.get("/live"))[0] == 200


async def test_whatever_breaks_is_logged_and_tells_the_sender_nothing() -> None:
    with capture_logs() as logs:
        async with door(FailingSpool()) as client:
            for path in ("/hooks/glib", "/hooks/broken"):
                status, answer, headers = await client.post(signed(), path=path)
                assert (status, answer) == (503, {"error": "unavailable"})
                assert "Retry-After" in headers
            assert (await client.get("/ready"))[0] == 503
    assert [line.get("code") for line in logs] == ["unavailable", "unavailable", None]
    assert logs[-1]["event"] == "not_ready"


async def test_answers_do_not_say_what_runs_here(client: Client) -> None:
    answered = [
        (await client.post(signed()))[2],
        (await client.post({}))[2],
        (await client.get("/live"))[1],
        (await client.get("/nowhere"))[1],
    ]
    assert all("Server" not in headers for headers in answered)


async def test_one_line_is_logged_for_each_delivery_and_no_secret_or_body(client: Client) -> None:
    with capture_logs() as logs:
        await client.post(signed(X_Delivery="1"))
        await client.post({"X-Signature": SECRET})
        await client.post(signed(), path="/hooks/" + "n" * 200)
    accepted, refused, unknown = logs
    assert accepted == {
        "event": "accepted",
        "log_level": "debug",
        "delivery_id": "glib/1",
        "hook": "glib",
        "bytes": len(BODY),
    }
    assert (refused["event"], refused["hook"], refused["code"]) == ("refused", "glib", "signature")
    assert unknown["path"] == "/hooks/" + "n" * 57
    assert SECRET not in json.dumps(logs)
    assert "refs/heads" not in json.dumps(logs)


async def test_a_sender_that_leaves_in_the_middle_is_no_error(client: Client) -> None:
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST /hooks/glib HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
        await writer.drain()
        await client.get("/live")
        writer.close()
        async with asyncio.timeout(10):
            while not logs:
                await client.get("/live")
    assert [(line["event"], line["code"]) for line in logs] == [("refused", "broken_off")]
