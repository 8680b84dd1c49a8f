"""Stories and reports as lines for people. Pure: times within a story are milliseconds after its start."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from hookfetch.client.stories import DeliveryLine, DeliveryPage, ElementPage, OpenElement, State, Story
from hookfetch.core.questions import ElementReport, ProjectReport, ProjectStory, SourceReport, StoryJob
from hookfetch.core.standing import STATES

_SHORT = 60  # characters of a reason in a list


def page_lines(page: DeliveryPage) -> Iterator[str]:
    """Yield a line for each delivery."""
    for each in page.deliveries:
        reason = f"  {each.reason[:_SHORT]}" if each.reason else ""
        again = "  (redelivered)" if each.redelivery else ""
        yield f"{_clock(each.received_at)}  {each.outcome:<13}  {each.id}{again}{reason}"


def silent_line(silent: Iterable[str]) -> str | None:
    """Return a warning that names the projects without an answer."""
    names = ", ".join(silent)
    return f"no answer from {names}: what they know is missing" if names else None


def story_lines(story: Story) -> Iterator[str]:
    """Yield a story from its acceptance on."""
    yield f"{story.id}: {story.outcome}{_because(story.reason)}"
    times = [each.received_at for each in story.deliveries]
    times += [event.handled_at for project in story.projects for event in project.events]
    start = min(times, default=0.0)
    yield f"  times are ms after {_clock(start)}"
    for each in story.deliveries:
        yield from _accepted(each, start)
    for project in story.projects:
        yield from _project(project, start)


def _accepted(each: DeliveryLine, start: float) -> Iterator[str]:
    word, again = ("again", ", sent again by the forge") if each.redelivery else ("accepted", "")
    what = f"{each.bytes} bytes by hook {each.hook} at {each.ingress}{again}"
    yield f"{_after(each.received_at, start)}  {word:<8}  {each.id}  {what}"
    if each.relayed_at is not None:
        yield f"{_after(each.relayed_at, start)}  relayed   {each.fact_count} facts"
        for fact in each.facts:
            where = ", ".join(fact.repositories)
            yield f"{'':>10}            {fact.type}  {fact.ref or ''}  {where}".rstrip()
    else:
        yield f"{'':>10}  {each.outcome}{_because(each.reason)}"


def _project(project: ProjectStory, start: float) -> Iterator[str]:
    yield f"  project {project.project}"
    for event in project.events:
        outcome = f"{event.outcome or 'open'}{_because(event.reason)}"
        yield f"{_after(event.handled_at, start)}  {event.type}  {event.id}  {outcome}"
    for job in project.jobs:
        yield f"{_after(job.asked_at, start)}  job       {job.element}  {_job(job, start)}"
    for entry in project.entries:
        cached = "cached" if entry.cached else "not cached"
        what = f"{', '.join(entry.changes)}{f'  {cached}' if entry.type == 'ref_updated' else ''}"
        yield f"{_after(entry.announced_at, start)}  entry     {entry.number}  {entry.element}  {what}"
    if project.truncated:
        yield "            and more than is told here"


def _job(job: StoryJob, start: float) -> str:
    tries = f"{job.attempts} attempt{'' if job.attempts == 1 else 's'}"
    failures = f", {job.failures} failed" if job.failures else ""
    if job.state == "ended":
        when = f"{job.outcome} at {_after(job.ended_at, start).strip()}"
    elif job.state == "running":
        when = f"running since {_after(job.started_at, start).strip()}"
    else:
        rests = "set aside" if job.set_aside_at is not None else "waiting"
        when = f"{rests}, due at {_after(job.due_at, start).strip()}"
    return f"{when}, {tries}{failures}{_because(job.reason)}"


def report_lines(report: ElementReport) -> Iterator[str]:
    """Yield why an element has not moved, then all that the answer stands on."""
    yield f"{report.element}: {report.summary}"
    for source in report.sources:
        yield from _source(source)
    for job in report.jobs:
        tries = f"{job.attempts} attempts, {job.failures} failed"
        if job.state == "ended":
            yield f"  last job  {job.outcome} at {_clock(job.ended_at)}, {tries}{_because(job.reason)}"
        elif job.state == "running":
            yield f"  job       running since {_clock(job.started_at)}, {tries}{_because(job.reason)}"
        else:
            yield f"  job       waiting, due {_clock(job.due_at)}, {tries}{_because(job.reason)}"
        if job.state != "ended" and job.causes:
            yield f"            for {', '.join(job.causes)}"
    for entry in report.entries:
        yield f"  entry     {entry.number}  {_clock(entry.announced_at)}  {', '.join(entry.changes)}"


def _source(source: SourceReport) -> Iterator[str]:
    yield f"  source {source.index}  {source.kind}  {source.url or ''}".rstrip()
    if source.follows:
        yield f"    follows    {', '.join(source.follows)}  of {source.repository}"
    else:
        yield "    follows    no branch or tag"
    yield f"    committed  {source.committed or 'no ref'}"
    if source.proposed is not None:
        yield f"    announced  {source.proposed}"
    if source.follows and source.seen_since is None:
        yield "    upstream   never asked"
    for seen in source.seen:
        yield f"    upstream   {seen.commit}  {seen.ref}  (so since {_clock(source.seen_since)} or earlier)"


def element_line(each: OpenElement) -> str:
    """Return one line for an element with an open job."""
    tries = f"{each.failures} failed of {each.attempts}" if each.attempts else "not tried yet"
    when = "now" if each.due_at is None else _clock(each.due_at)
    plan = "" if each.state == "running" else f", tried {when}"
    reason = f"  {each.reason[:_SHORT]}" if each.reason else ""
    return (
        f"{each.state:<9}  {each.project}  {each.element}  since {_clock(each.since)}, {tries}{plan}{reason}"
    )


def elements_line(page: ElementPage, shown: int) -> str:
    """Return how many elements match in all, of which so many were `shown`."""
    states = [f"{page.counts[state]} {state}" for state in STATES if page.counts.get(state)]
    total = sum(page.counts.values())
    if not states:
        return "no element with an open job matches"
    return f"{', '.join(states)}{f'; {shown} of {total} shown' if shown < total else ''}"


def rests_line(paused: Iterable[str]) -> str | None:
    """Return a warning that names the projects that are paused."""
    names = ", ".join(paused)
    return f"{names} paused: nothing in the background is tried before `hookfetch resume`" if names else None


def left_line(left: int) -> str | None:
    """Return a warning that so many more match than one request takes."""
    return f"{left} more match: say it again for them" if left else None


def state_line(report: ProjectReport) -> str:
    """Return one line for a project."""
    at = report.revision[:12] if report.revision else None
    if report.unhealthy is None:
        health = f"healthy at {at}" if at else "healthy"
    else:
        health = f"unhealthy: {report.unhealthy}{f' ({at} stays in use)' if at else ''}"
    paused = ""
    if report.paused is not None:
        pause = report.paused
        paused = f", paused since {_clock(pause.since)} by {pause.by}{_because(pause.reason)}"
    oldest = f" (oldest of {_clock(report.oldest_waiting_at)})" if report.oldest_waiting_at else ""
    jobs = f"{report.waiting} waiting{oldest}, {report.running} running, {report.set_aside} set aside"
    jobs += f", {report.ahead} of them ahead of anyone's asking" if report.ahead else ""
    if report.cache_away is not None:
        away = report.cache_away
        held = f"({away.held} {'job' if away.held == 1 else 'jobs'} held for it)"
        jobs += f", source cache not there since {_clock(away.since)} {held}: {away.reason}"
    line = f"{report.project}  {health}{paused}  {jobs}  log at {report.last_entry}, epoch {report.epoch}"
    if not report.missed_by_hooks:
        return line
    return f"{line}  hooks missed {report.missed_by_hooks}, the last at {_clock(report.last_missed_at)}"


def state_lines(state: State) -> Iterator[str]:
    """Yield a line for each project, those without an answer last."""
    yield from map(state_line, state.projects)
    for name in state.silent:
        yield f"{name}  no coordinator answered"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def _after(seconds: float | None, start: float) -> str:
    return f"{'?':>10}" if seconds is None else f"{f'+{(seconds - start) * 1000:.0f}':>10}"
