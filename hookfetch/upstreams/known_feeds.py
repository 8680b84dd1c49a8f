"""What the poller of feeds needs to have kept across restarts."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from hookfetch.core.feeds import FeedKey, KnownFeed
from hookfetch.core.releases import Release
from hookfetch.core.watching import FirstSeen


class KnownFeeds(Protocol):
    """What feeds said, kept across restarts."""

    async def known_feeds(self) -> Mapping[FeedKey, KnownFeed]:
        """Return what is known of every feed."""

    async def kept(self, feed: FeedKey) -> tuple[Sequence[Release], FirstSeen]:
        """Return the releases of the last look that had some, and since when each version is known."""

    async def remember_feed(
        self, feed: FeedKey, known: KnownFeed, releases: Sequence[Release], now: float
    ) -> bool:
        """Replace what is known of a feed and its releases; return whether a version is new."""

    async def note_feed(self, feed: FeedKey, known: KnownFeed) -> None:
        """Replace what is known of a feed; its releases stay."""

    async def forget_feeds_but(self, feeds: Collection[FeedKey]) -> None:
        """Forget all but these."""
