"""All that is asked for one project without a hook: repositories for their refs, files, and feeds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hookfetch.core.events import SweptFact
from hookfetch.upstreams.feed_sweep import FeedSweep
from hookfetch.upstreams.file_sweep import FileSweep
from hookfetch.upstreams.sweep import Sweep

Accept = Callable[[Sequence[SweptFact]], Awaitable[None]]


class Sweeping(Protocol):
    """Asking that is under way."""

    def refresh(self) -> None:
        """Take up the index as it is now."""

    def ask_all_now(self) -> None:
        """Make up for turns that went by unused."""


@dataclass(frozen=True)
class Sweeps:
    """The sweeps, opened, refreshed and closed together; `feeds` only where they are asked."""

    repositories: Sweep
    files: FileSweep
    feeds: FeedSweep | None = None

    def refresh(self) -> None:
        """Take up the index as it is now."""
        self.repositories.refresh()
        self.files.refresh()
        if self.feeds is not None:
            self.feeds.refresh()

    def ask_all_now(self) -> None:
        """Ask each repository as soon as there is a free slot. Files and
        feeds have long turns, and wait for them."""
        self.repositories.ask_all_now()

    async def close(self) -> None:
        """Stop asking."""
        await self.repositories.close()
        await self.files.close()
        if self.feeds is not None:
            await self.feeds.close()
