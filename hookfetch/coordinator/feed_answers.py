"""What a coordinator answers to questions about its project's feeds."""

import sqlite3
from collections.abc import Callable, Sequence

from hookfetch.coordinator.loader import Loader
from hookfetch.core.feed_questions import FeedCheckAsked, FeedsAsked
from hookfetch.core.feeds import FeedReport
from hookfetch.core.globs import Glob
from hookfetch.core.questions import PAGE_MOST
from hookfetch.store import feeds
from hookfetch.upstreams.feed_status import FeedBoard


def page_of_feeds(
    db: sqlite3.Connection, board: FeedBoard, loader: Loader, project: str, question: FeedsAsked
) -> tuple[FeedReport, ...]:
    """Return the feeds of a project that a question means, after the page before."""
    if loader.index is None:
        return ()
    wanted = _matching(question.globs)
    elements = [element for element in loader.index.elements() if wanted(element.name)]
    after = question.after
    watches = sorted(
        (
            watch
            for watch in board.watches(elements, loader.policy)
            if after is None or (project, watch.element, watch.current or "") > tuple(after)
        ),
        key=lambda watch: (watch.element, watch.current or ""),
    )
    limit = min(question.limit, PAGE_MOST)
    return tuple(board.reports(watches[:limit], feeds.known(db)))


def asked_now(board: FeedBoard, question: FeedCheckAsked) -> int | None:
    """Return how many feeds are asked now; None where none ever is."""
    return board.ask_now(_matching(question.globs))


def _matching(texts: Sequence[str]) -> Callable[[str], bool]:
    globs = [Glob(text) for text in texts]
    return lambda element: not globs or any(glob.matches(element) for glob in globs)
