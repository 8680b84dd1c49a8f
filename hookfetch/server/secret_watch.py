"""Notices that a hook's secret files changed, so that a rotation needs no restart. It logs no secret."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from hookfetch.config import read_secrets
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.file_marks import Mark, marks_of

INTERVAL = 2.0  # seconds between two looks; documented, since a person waits for it

_log = structlog.get_logger(__name__)


class SecretWatch:
    """Looks at `files` (by hook) every `INTERVAL` seconds, and calls `renew` with a hook's name and secrets
    when one of its files was made, changed or removed.

    Files that cannot be read, or are all gone, change nothing: what was believed last still is.
    """

    def __init__(
        self, files: Mapping[str, Sequence[Path]], renew: Callable[[str, tuple[str, ...]], None]
    ) -> None:
        self._files = files
        self._renew = renew
        self._seen: dict[str, list[Mark]] = {}
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._running = asyncio.create_task(self._run(), name="hook secrets")

    async def stop(self) -> None:
        """End."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def look(self) -> None:
        """Look once at each hook's files."""
        for hook, files in self._files.items():
            # Marked before they are read: what changes in between is read again with the next look.
            marks = await asyncio.to_thread(marks_of, files)
            if self._seen.get(hook) == marks:
                continue
            try:
                secrets = await asyncio.to_thread(read_secrets, files, f"hook {hook}")
            except ConfigurationError as error:
                _log.error("secrets_not_read", hook=hook, reason=str(error))
            else:
                self._renew(hook, secrets)
                _log.info("secrets_read", hook=hook, accepted=len(secrets))
            self._seen[hook] = marks

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 (logged; the next look comes whatever went wrong in this one)
                _log.exception("secret_watch_failed")
            await asyncio.sleep(INTERVAL)
