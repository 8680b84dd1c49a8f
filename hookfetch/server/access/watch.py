"""Notices that token files changed, so that a token is known or revoked without a restart."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from hookfetch.config import read_secret
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.access.access import Access
from hookfetch.server.access.tokens import checked, digest_of
from hookfetch.server.file_marks import Mark, marks_of

INTERVAL = 2.0  # seconds between two looks; documented, since a person waits for it

_log = structlog.get_logger(__name__)


class TokenWatch:
    """Looks at `files` (by caller) every `interval` seconds and has `access` know what they hold.

    A token is known while a file holds it and can be read: unlike a hook's secret, which authenticates
    what cannot be asked for again, a token that was taken away must not open anything.
    """

    def __init__(
        self, access: Access, files: Mapping[str, Sequence[Path]], interval: float = INTERVAL
    ) -> None:
        self._access = access
        self._files = files
        self._interval = interval
        self._seen: dict[str, list[Mark]] = {}
        self._running: asyncio.Task[None] | None = None

    def load(self) -> None:
        """Read every file; ConfigurationError when a caller has no token, one is too weak, or two callers
        have the same."""
        owners: dict[bytes, str] = {}
        for caller, files in self._files.items():
            where = f"caller {caller}"
            found = [file for file in files if file.exists()] or files[:1]
            tokens = [checked(read_secret(file, where), f"{file}: {where}") for file in found]
            for token in tokens:
                other = owners.setdefault(digest_of(token), caller)
                if other != caller:
                    raise ConfigurationError(f"caller {caller}: has the same token as {other}")
            self._seen[caller] = marks_of(files)
            self._access.renew(caller, tokens)

    async def start(self) -> None:
        """Begin; `load` was called."""
        self._running = asyncio.create_task(self._run(), name="tokens")

    async def stop(self) -> None:
        """End."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def look(self) -> None:
        """Look once at each caller's files, and then at who was let in before."""
        for caller, files in self._files.items():
            # Marked before they are read: what changes in between is read again with the next look.
            marks = await asyncio.to_thread(marks_of, files)
            if self._seen[caller] == marks:
                continue
            tokens = await asyncio.to_thread(_usable, caller, files)
            self._access.renew(caller, tokens)
            self._seen[caller] = marks
            _log.warning("tokens_read", caller=caller, accepted=len(tokens))
        self._access.recheck()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 (logged; the next look comes whatever went wrong in this one)
                _log.exception("token_watch_failed")


def _usable(caller: str, files: Sequence[Path]) -> list[str]:
    tokens = []
    for file in files:
        if not file.exists():
            continue
        try:
            tokens.append(checked(read_secret(file, f"caller {caller}"), f"{file}: caller {caller}"))
        except ConfigurationError as error:
            _log.error("token_not_accepted", caller=caller, reason=str(error))
    return tokens
