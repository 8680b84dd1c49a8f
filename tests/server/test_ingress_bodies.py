"""Bodies at the door: too large, packed, damaged, slow, or too many at once."""

import asyncio
import gzip

import pytest

from hookfetch.server.door import house
from hookfetch.spool import SegmentSpool
from tests.server.doors import BODY, MAX_BODY, Client, door, signed


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
