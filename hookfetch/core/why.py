"""Why has an element not moved, in one sentence; and how a delivery ended, in one word. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from hookfetch.core.kept import DeliveryRecord
from hookfetch.core.moves import PendingMove
from hookfetch.core.questions import ElementReport, Ended, StoryJob
from hookfetch.core.sources import Ref
from hookfetch.core.standing import CANCELLED

End = Literal["waiting", "dead", "open", "set aside", "done", "coalesced", "nothing to do", "stale"]
ENDS: tuple[End, ...] = (
    "waiting",
    "dead",
    "open",
    "set aside",
    "done",
    "coalesced",
    "nothing to do",
    "stale",
)


def shown(ref: Ref) -> str:
    """Return a ref as text: a string as it is, anything else as JSON."""
    return ref if isinstance(ref, str) else json.dumps(ref, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What projects said of a delivery: how its events ended, who has facts of it to handle yet, who did
    not answer. `lately`: it was told to the bus so short a time ago that it may still be on its way."""

    ended: Sequence[Ended] = ()
    behind: Sequence[str] = ()
    silent: Sequence[str] = ()
    lately: bool = False


def end_of(record: DeliveryRecord | None, heard: Heard) -> tuple[End, str | None]:
    """Return how a delivery stands and why: as its ingress says while it has not been relayed or led
    to nothing there; waiting while a project has yet to handle it, or nobody who answers knows of it and
    another may; else the weightiest end of its events in any project."""
    if record is not None and record.outcome in ("waiting", "dead"):
        return ("waiting" if record.outcome == "waiting" else "dead"), record.reason
    if heard.behind:
        return "waiting", f"not handled yet by {', '.join(heard.behind)}, unless it is a dead letter there"
    found: dict[End, str | None] = {}
    for one in heard.ended:
        word: End = "open" if one.outcome is None else one.outcome
        found[word] = found.get(word) or one.reason
    for word in ENDS:
        if word in found:
            return word, found[word]
    if record is not None and record.outcome == "nothing":
        return "nothing to do", record.reason
    if heard.silent:
        return "waiting", f"no answer from {', '.join(heard.silent)}, which may have it still"
    if heard.lately:
        return "nothing to do", "no project follows it"
    return "nothing to do", "no project has handled it: see `hookfetch dead list` if one should have"


def sentence(
    report: ElementReport,
    stays: str | None = None,
    mistake: str | None = None,
    moves: Sequence[PendingMove] = (),
) -> str:
    """Return why an element has not moved, the cause that matters most first. `stays` says by whose word it
    is not to, `mistake` why its own policy is not heeded, `moves` which releases could not be taken."""
    said = " ".join(
        (_sentence(report, stays), *(_of_release(move, report.now) for move in moves if move.tries))
    )
    return said if mistake is None else f"{said} Its own policy is not heeded: {mistake}."


def _sentence(report: ElementReport, stays: str | None) -> str:
    running = next((job for job in report.jobs if job.state == "running"), None)
    waiting = next((job for job in report.jobs if job.state == "waiting"), None)
    if report.unhealthy is not None:
        return f"The project is unhealthy: {report.unhealthy}"
    if not report.known:
        return f"The project has no element {report.element!r}."
    if running is not None:
        return f"It is being worked on since {_ago(report.now, running.started_at)}."
    if stays is not None and waiting is None:
        return f"The policy keeps its refs: {stays}."
    if report.paused is not None and (waiting is None or not waiting.interactive):
        # Only what nobody waits for rests.
        what = "a job waits until it is resumed" if waiting is not None else "nothing is looked for"
        by = f" by {report.paused.by}" if report.paused.by else ""
        reason = f": {report.paused.reason}" if report.paused.reason else ""
        return f"The project is paused{by} since {_ago(report.now, report.paused.since)}{reason}; {what}."
    if waiting is not None:
        return _waiting(waiting, report.now)
    return _at_rest(report)


def _waiting(job: StoryJob, now: float) -> str:
    due = max((job.due_at or now) - now, 0.0)
    reason = f": {job.reason}" if job.reason else ""
    if job.awaits_cache:
        return f"It is held for the source cache{reason}; it goes out when that answers."
    if job.held:
        return f"It is held by the policy{reason}; a new event or a request has it look again."
    if job.set_aside_at is not None:
        return f"It is set aside for {_span(due)} more after {_failures(job)}{reason}"
    if job.failures:
        return f"It is failing, {_failures(job)} so far, and tried again in {_span(due)}{reason}"
    if due > 0:
        return f"It waits {_span(due)} more, as the policy spaces its jobs."
    return f"It is due and waits for a free worker, since {_ago(now, job.asked_at)}."


def _at_rest(report: ElementReport) -> str:
    following = [source for source in report.sources if source.follows]
    if not report.sources:
        return "It has no sources, so nothing can move it."
    if not following:
        return "No source of it follows a branch or tag: without `track` nothing moves it."
    never = [source for source in following if source.seen_since is None]
    if never:
        return f"Its upstream {never[0].repository} was not asked yet."
    last = next((job for job in report.jobs if job.state == "ended"), None)
    if last is not None and last.reason is not None and last.reason.startswith(CANCELLED):
        return f"Its last job was {last.reason}: `hookfetch track`, or the next push, has it looked at again."
    for source in following:
        if not source.seen:
            return f"Nothing upstream in {source.repository} matches {', '.join(source.follows)}."
    if any(source.proposed is not None for source in report.sources):
        return "It is up to date: its newest ref is announced, and not yet in the branch."
    return "It is up to date: the branch holds its newest ref."


def _of_release(move: PendingMove, now: float) -> str:
    version, reason = move.wanted.version, move.reason
    seen = _ago(now, move.found_at)
    if not move.over:
        again = "now" if move.due_at is None else f"in {_span(max(move.due_at - now, 0.0))}"
        return f"Version {version}: seen, not downloadable yet, since {seen}; tried again {again}: {reason}."
    return f"Version {version}, seen {seen}, is not taken: {reason}; `hookfetch track` tries it once more."


def _failures(job: StoryJob) -> str:
    return "1 failure" if job.failures == 1 else f"{job.failures} failures in a row"


def _ago(now: float, then: float | None) -> str:
    if then is None:
        return "an unknown time"
    clock = datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{clock} ({_span(max(now - then, 0.0))} ago)"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
