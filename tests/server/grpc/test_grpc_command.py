"""What the command shows to a gateway, and how it says what was not accepted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hookfetch.server.grpc.admission.credentials import server_credentials
from tests.server.grpc.access_lab import Guarded, access_for, guarded, known
from tests.support.certificates import Authority
from tests.support.commands import run


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Guarded]:
    ours = Authority(folder, "ours")
    access = access_for(known("gnome", ["read"], ["gnome"]))
    credentials = server_credentials(*ours.certificate("gateway", "localhost"), None)
    async with guarded(folder, access, credentials=credentials, ca=ours.file) as lab:
        yield lab


async def _hookfetch(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(run, *arguments, environment=environment)
    return done.returncode, done.stdout, done.stderr


async def test_a_token_is_shown_over_tls(tmp_path: Path) -> None:
    async with _served(tmp_path) as lab:
        shown = lab.shown("gnome")
        trusted = ("--server", lab.target, "--ca-file", str(shown.ca_file))
        watch = ("watch", *trusted, "--from-start", "--count", "1")
        token = str(shown.token_file)
        for code, out, err in await asyncio.gather(
            _hookfetch(*watch, "--token-file", token), _hookfetch(*watch, HOOKFETCH_TOKEN_FILE=token)
        ):
            assert (code, "core/glib.bst" in out) == (0, True), err


async def test_what_is_not_accepted_is_one_line(tmp_path: Path) -> None:
    async with _served(tmp_path) as lab:
        trusted = ("--server", lab.target, "--ca-file", str(lab.ca))
        token = ("--token-file", str(lab.shown("gnome").token_file))
        lost = ("--token-file", str(lab.shown("lost").token_file))
        elsewhere = "gateway.example.org:1"
        cases = (
            (("watch", *trusted, *lost), 1, "the token is not known here"),
            (("watch", *trusted, "--token-file", "none"), 2, "none: the token cannot be read"),
            (("state", "--server", elsewhere, *token), 2, f"is not sent to {elsewhere} without TLS"),
            (("track", *trusted, *token, "--project", "gnome", "a.bst"), 1, "has the scope 'track'"),
        )
        ended = await asyncio.gather(*(_hookfetch(*arguments) for arguments, _, _ in cases))
    for (arguments, code, said), (status, out, err) in zip(cases, ended, strict=True):
        lines = [line for line in (out + err).splitlines() if not line.startswith("Tracking")]
        assert (status, len(lines), said in lines[0]) == (code, 1, True), (arguments, lines)
