"""What a gateway asks coordinators about the feeds of their elements, and what they answer. Pure."""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.feeds import FeedReport
from hookfetch.core.questions import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsAsked(Question):
    """Where are the releases of elements told of, and how does it go? Coordinators of `projects` answer with
    at most `limit`, and `PAGE_MOST`, of elements that one of `globs` matches; without globs of all. `after`
    goes on after a page: its last one's project, element and version."""

    projects: tuple[str, ...]
    limit: int
    globs: tuple[str, ...] = ()
    after: tuple[str, str, str] | None = None
    type: Literal["feeds_asked"] = "feeds_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsTold:
    """A page of one project's feeds, by element and version."""

    project: str
    epoch: int
    feeds: tuple[FeedReport, ...] = ()
    type: Literal["feeds_told"] = "feeds_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCheckAsked(Question):
    """Ask the feeds of a project's elements now, those that one of `globs` matches, without globs all. Asking
    twice does no harm: each is asked once more."""

    project: str
    globs: tuple[str, ...] = ()
    type: Literal["feed_check_asked"] = "feed_check_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCheckTold:
    """So many feeds are asked as soon as may be; None where none is asked, since the project rests or feeds
    are not asked at all. `at` is the coordinator's clock, in Unix seconds."""

    project: str
    epoch: int
    at: float
    feeds: int | None = None
    type: Literal["feed_check_told"] = "feed_check_told"
