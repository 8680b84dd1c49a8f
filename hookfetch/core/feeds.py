"""What is known of a feed between two looks at it. Values."""

from dataclasses import dataclass

from hookfetch.core.files import Validators

FeedKey = tuple[str, str]  # its kind and its address


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFeed:
    """A feed as it was at the last look; times are in Unix seconds.

    `validators`: of the document whose releases are kept, None before there is one. `changed_at`: when a
    version was seen that was not there before, or the newest of the first look was published. `moved_to`:
    where it moved to for good. `failing_since` and `error`: since when no look has succeeded, and why the
    last one did not.
    """

    validators: Validators | None = None
    seen_at: float = 0.0
    changed_at: float | None = None
    releases: int = 0
    moved_to: str | None = None
    failing_since: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """What is asked for an element at the version `current`, and how that goes; times are in Unix seconds.

    `origin` is what the feed was derived from, `sure` how much so; without a feed `why` says why there is
    none. `last_asked` and `next_at` are None while nothing is asked. `found` is the version that the element
    is to be updated to, by the last look.
    """

    element: str
    current: str | None = None
    kind: str | None = None
    url: str | None = None
    sure: str | None = None
    origin: str | None = None
    why: str | None = None
    last_asked: float | None = None
    next_at: float | None = None
    changed_at: float | None = None
    releases: int = 0
    found: str | None = None
    moved_to: str | None = None
    failing_since: float | None = None
    error: str | None = None
