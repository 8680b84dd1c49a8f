"""A secret is rotated under a running door, and nothing is refused on the way."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hookfetch.config import read_secret, read_secrets
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.ports import HookOptions
from hookfetch.forges import configured_forge, load_forges
from hookfetch.server import secret_watch
from hookfetch.server.door.house import Limits
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Hook, Ingress
from hookfetch.server.secret_watch import SecretWatch
from hookfetch.spool import SegmentSpool
from tests.hooks.conftest import Lab, OpenLab


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_watch, "INTERVAL", 0.02)


@asynccontextmanager
async def door(forge: str, lab: Lab, folder: Path) -> AsyncIterator[str]:
    """The door of the lab's hook as `serve` runs it; yields its address."""
    files = lab.registration.secret_files
    known = configured_forge(load_forges()[forge], HookOptions())
    hook = Hook(name="h", forge=known, secrets=read_secrets(files, "hook h"))
    async with SegmentSpool(folder / "spool", 10_000_000) as spool:
        ingress = Ingress({"h": hook}, spool, time.time, 100_000)
        server = HttpServer(ingress, "127.0.0.1:0", Limits())
        watch = SecretWatch({"h": files}, ingress.renew)
        await server.start()
        await watch.start()
        try:
            yield f"http://127.0.0.1:{server.port}/hooks/h"
        finally:
            await watch.stop()
            await server.stop()


async def send(lab: Lab, forge: str, address: str) -> int:
    """Have the forge send a push as it is told to, but to the door."""
    (kept,) = lab.there.hooks["owner/name"]
    settings = kept.settings
    at = {"url": address} if forge == "gitlab" else {"config": {**settings["config"], "url": address}}
    kept.settings = {**settings, **at}
    try:
        return await lab.there.send(lab.session, kept)
    finally:
        kept.settings = settings


async def until_read(logs: list[dict[str, object]], accepted: int) -> None:
    """Return once the door says that it accepts so many secrets."""
    async with asyncio.timeout(10):
        while not any(line["event"] == "secrets_read" and line["accepted"] == accepted for line in logs):
            await asyncio.sleep(0.005)
    logs.clear()


@pytest.mark.parametrize("forge", ["github", "gitlab", "gitea"])
async def test_a_rotation_under_a_running_door_refuses_nothing_and_ends_the_old_secret(
    forge: str, open_lab: OpenLab, tmp_path: Path
) -> None:
    lab = await open_lab(forge)
    await lab.install()
    first, second = lab.registration.secret_files
    told = []
    with capture_logs() as logs:
        async with door(forge, lab, tmp_path) as address:
            await until_read(logs, 1)  # type: ignore[arg-type]  # what structlog calls a log line
            assert await send(lab, forge, address) == 202
            lab.installer().rotate()
            told += [read_secret(file, "h") for file in (first, second)]
            await until_read(logs, 2)  # type: ignore[arg-type]  # the same
            assert await send(lab, forge, address) == 202
            before = lab.there.hooks["owner/name"][0]
            await lab.install()
            assert lab.there.hooks["owner/name"][0].secret == told[1]
            assert await send(lab, forge, address) == 202
            second.rename(first)
            await until_read(logs, 1)  # type: ignore[arg-type]  # the same
            assert await send(lab, forge, address) == 202
            old = {"signing_token": told[0]} if forge == "gitlab" else {"config": _config(before, told[0])}
            lab.there.hooks["owner/name"][0].settings |= old
            assert await send(lab, forge, address) == 401
            lab.there.hooks["owner/name"][0].settings |= (
                {"signing_token": told[1]} if forge == "gitlab" else {"config": _config(before, told[1])}
            )
            # The moved file is the secret that the forge has, and its path is free for the next rotation.
            written = lab.there.writes()
            await lab.install()
            assert lab.there.writes() == written
            assert lab.installer().rotate() == second
            told.append(read_secret(second, "h"))
            await until_read(logs, 2)  # type: ignore[arg-type]  # the same
            await lab.install()
            assert lab.there.hooks["owner/name"][0].secret == told[2]
            assert await send(lab, forge, address) == 202
            second.rename(first)
            await until_read(logs, 1)  # type: ignore[arg-type]  # the same
            assert await send(lab, forge, address) == 202
    assert not any(secret in str(logs) for secret in told)


def _config(kept: object, secret: str) -> dict[str, object]:
    return {**kept.settings["config"], "secret": secret}  # type: ignore[attr-defined]  # a hook there


async def test_files_that_are_gone_empty_or_unreadable_change_nothing_and_are_told_once(
    tmp_path: Path,
) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("s3cr3t\n")
    believed: list[tuple[str, ...]] = []
    watch = SecretWatch({"h": (file, other)}, lambda _, secrets: believed.append(secrets))
    with capture_logs() as logs:
        await watch.look()
        await watch.look()
        assert believed == [("s3cr3t",)]
        other.write_text("")
        await watch.look()
        await watch.look()
        file.unlink()
        other.unlink()
        await watch.look()
        await watch.look()
        other.write_bytes(b"\xff")
        await watch.look()
        assert believed == [("s3cr3t",)]
        other.write_text("another")
        await watch.look()
        assert believed == [("s3cr3t",), ("another",)]
    assert [line["event"] for line in logs] == ["secrets_read", *["secrets_not_read"] * 3, "secrets_read"]
    assert "s3cr3t" not in str(logs)
    assert "another" not in str(logs)


def test_a_hook_whose_later_secrets_are_not_made_yet_opens_with_the_first(tmp_path: Path) -> None:
    first, later = tmp_path / "first", tmp_path / "later"
    first.write_text("one\n")
    assert read_secrets((first, later), "hook h") == ("one",)
    first.unlink()
    with pytest.raises(ConfigurationError, match="first: hook h: the secret cannot be read"):
        read_secrets((first, later), "hook h")
