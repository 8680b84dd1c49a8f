"""`serve` looks after the hooks by itself, and asks its own record what arrived."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from hookfetch.bootstrap import build
from hookfetch.config import load_config
from hookfetch.core.kept import DeliveryRecord
from hookfetch.server import secret_watch
from hookfetch.spool.book import DeliveryBook
from tests.forges.api.standin import StandIn, stand_in
from tests.forges.corpus import hex_hmac
from tests.hooks.test_checking import attempt
from tests.hooks.test_commands import configure
from tests.support.broker import free_ports


def configured(folder: Path, there: StandIn) -> Path:
    file = Path(configure(folder, there))
    file.write_text(file.read_text() + "[hook_check]\ninterval = 0.2\n")
    (folder / "h.secret").write_text("secret\n")
    return file


async def test_what_the_forge_saw_fail_but_is_in_the_record_is_not_sent_again(tmp_path: Path) -> None:
    async with stand_in("github") as there:
        there.hooks["owner/name"] = []
        file = configured(tmp_path, there)
        url = "https://hooks.test/base/hooks/h"
        kept = there.add("owner/name", {"config": {"url": url, "content_type": "json"}})
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        kept.sent = [
            {**attempt("github", number, delivery, 504), "delivered_at": now}
            for number, delivery in ((2, "d-slow"), (1, "d-lost"))
        ]
        book = DeliveryBook(tmp_path / "state" / "deliveries" / "book.sqlite")
        await book.open()
        await book.note(
            [
                DeliveryRecord(
                    id="h/d-slow",
                    hook="h",
                    received_at=time.time(),
                    relayed_at=time.time(),
                    bytes=2,
                    outcome="nothing",
                )
            ]
        )
        await book.close()
        parts = [part for part in build(load_config(file)) if part.name in ("delivery book", "hooks")]
        assert [part.name for part in parts] == ["delivery book", "hooks"]
        for part in parts:
            await part.start()
        try:
            async with asyncio.timeout(10):
                while not there.redelivered:
                    await asyncio.sleep(0.02)
        finally:
            for part in reversed(parts):
                await part.stop()
        assert set(there.redelivered) == {1}
        assert there.tested == []


async def test_a_secret_file_that_serve_finds_while_it_runs_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_watch, "INTERVAL", 0.02)
    [port] = free_ports(1)
    file = tmp_path / "hookfetch.toml"
    file.write_text(
        f"""
state_dir = "state"
[ingress]
listen = "127.0.0.1:{port}"
[[hook]]
name = "h"
forge = "github"
secret_files = ["h.secret", "h.secret.next"]
"""
    )
    (tmp_path / "h.secret").write_text("first\n")
    wanted = ("spool", "ingress", "hook secrets")
    parts = [part for part in build(load_config(file)) if part.name in wanted]
    assert [part.name for part in parts] == list(wanted)

    async def post(session: aiohttp.ClientSession, secret: str) -> int:
        headers = {"X-Hub-Signature-256": f"sha256={hex_hmac(secret, b'{}')}"}
        url = f"http://127.0.0.1:{port}/hooks/h"
        async with session.post(url, data=b"{}", headers=headers) as response:
            return response.status

    for part in parts:
        await part.start()
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(10):
            assert [await post(session, secret) for secret in ("first", "second")] == [202, 401]
            (tmp_path / "h.secret.next").write_text("second\n")
            while await post(session, "second") != 202:
                await asyncio.sleep(0.01)
            assert await post(session, "first") == 202
    finally:
        for part in reversed(parts):
            await part.stop()
