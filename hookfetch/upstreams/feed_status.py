"""How it goes with a project's feeds, for whoever asks: what is watched, what is known, and when it is next
asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from hookfetch.core.feeds import FeedKey, FeedReport, KnownFeed
from hookfetch.core.policy import Policy
from hookfetch.core.sources import Element
from hookfetch.core.watching import Watch, all_watches


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """A feed while it is followed. Times are in Unix seconds; `found` has by element and version what the
    element is to be updated to."""

    known: KnownFeed
    last_asked: float | None
    next_at: float | None
    found: Mapping[tuple[str, str | None], str]


class Asking(Protocol):
    """Feeds that are asked."""

    def status(self) -> Mapping[FeedKey, FeedStatus]:
        """Return how it goes with each feed."""

    def ask_now(self, elements: Callable[[str], bool]) -> int:
        """Ask the feeds of these elements; return how many they are."""


class FeedBoard:
    """Tells of a project's feeds, of those that are `asked` while they are. `python_index` is as in
    `derivation.derive`."""

    def __init__(self, python_index: str | None = None) -> None:
        self.python_index = python_index
        self.asked: Asking | None = None

    def watches(self, elements: Iterable[Element], policy: Policy) -> tuple[Watch, ...]:
        """Return what is asked for these elements."""
        return all_watches(elements, policy, self.python_index)

    def ask_now(self, elements: Callable[[str], bool]) -> int | None:
        """Ask the feeds of these elements; return how many they are, None while nothing is asked."""
        return None if self.asked is None else self.asked.ask_now(elements)

    def reports(self, watches: Iterable[Watch], known: Mapping[FeedKey, KnownFeed]) -> Iterator[FeedReport]:
        """Yield what is to be told of each watch; of a feed that is not asked what is `known`."""
        status = {} if self.asked is None else self.asked.status()
        for watch in watches:
            if watch.feed is None:
                yield FeedReport(element=watch.element, current=watch.current, why=watch.why)
                continue
            key = watch.feed.kind, watch.feed.url
            now = status.get(key)
            kept = now.known if now is not None else known.get(key, KnownFeed())
            yield FeedReport(
                element=watch.element,
                current=watch.current,
                kind=watch.feed.kind,
                url=watch.feed.url,
                sure=watch.feed.sure,
                origin=watch.feed.origin,
                last_asked=now.last_asked if now is not None else None,
                next_at=now.next_at if now is not None else None,
                changed_at=kept.changed_at,
                releases=kept.releases,
                found=now.found.get((watch.element, watch.current)) if now is not None else None,
                moved_to=kept.moved_to,
                failing_since=kept.failing_since,
                error=kept.error,
            )
