"""The door over real HTTP: nothing is parsed unsigned, nothing is accepted undurable, nothing is told."""

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hookfetch.core.delivery import Delivery
from hookfetch.spool import SegmentSpool
from tests.server.doors import BODY, SECRET, Client, door, sign, signed


class FailingSpool:
    """A disk that breaks in a way that nobody thought of."""

    async def append(self, delivery: Delivery) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    async def check(self) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")


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
