"""Ref updates and answers as text lines for people or JSON lines for machines. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from hookfetch.client.projects import Element, Project
from hookfetch.client.values import Alarm, RefUpdate, SettledSource, Settlement
from hookfetch.client.work import Fetched, JobProgress, Located, Tracked
from hookfetch.core.jobs import Change, Reloaded
from hookfetch.core.sources import Ref


def entry_line(entry: RefUpdate | Alarm | Settlement, *, as_json: bool) -> str:
    """Return one line for an entry; in JSON, `event` says which kind it is."""
    match entry:
        case RefUpdate():
            event, line = "update", _update_line(entry)
        case Alarm():
            event, line = "alarm", _alarm_line(entry)
        case Settlement():
            event, line = "settlement", _settlement_line(entry)
    return json.dumps({"event": event, **asdict(entry)}) if as_json else line


def _settlement_line(entry: Settlement) -> str:
    sources = ", ".join(_settled(each) for each in entry.sources)
    place = f"{_time(entry.announced_at)}  {entry.project}  {entry.element}"
    at = f" at {_short(entry.revision)}" if entry.revision else ""
    return f"{place}  {entry.outcome}{at}: {sources}"


def _alarm_line(alarm: Alarm) -> str:
    what = f"{alarm.kind.replace('_', ' ')}: {alarm.ref or '?'} of {alarm.repository}"
    ends = f"{_short(alarm.before or '?')} → {_short(alarm.after or '(none)')}"
    action = "followed" if alarm.followed else "held until `hookfetch track`"
    place = f"{_time(alarm.announced_at)}  {alarm.project}  {alarm.element}"
    return f"{place}  ALARM {what}  {ends}  {action}  ({', '.join(alarm.causes)})"


def _settled(source: SettledSource) -> str:
    announced = _short(source.announced)
    if source.committed == source.announced:
        return announced
    return f"{announced}, the branch has {'none' if source.committed is None else _short(source.committed)}"


def _time(announced_at: float) -> str:
    return datetime.fromtimestamp(announced_at).astimezone().strftime("%H:%M:%S")


def _update_line(update: RefUpdate) -> str:
    cached = "cached" if update.cached else "not cached"
    place = f"{_time(update.announced_at)}  {update.project}  {update.element}"
    return f"{place}  {_moves(update.changes)}  {cached}  ({', '.join(update.causes)})"


def tracked_line(element: str, tracked: Tracked, *, as_json: bool) -> str:
    """Return one line for what tracking found."""
    if as_json:
        return json.dumps({"element": element, "outcome": "tracked", **asdict(tracked)})
    return f"{element}  {_moves(tracked.changes) if tracked.changes else 'up to date'}"


def fetched_line(element: str, fetched: Fetched, *, as_json: bool) -> str:
    """Return one line for what a fetch gave."""
    if as_json:
        return json.dumps({"element": element, "outcome": "fetched", **asdict(fetched)})
    place = (
        f"in the source cache as {fetched.element_key}" if fetched.cached else "fetched; there is no cache"
    )
    return f"{element}  {place}"


def progress_line(element: str, progress: JobProgress, *, as_json: bool) -> str:
    """Return one line for how the work on an element stands."""
    if as_json:
        return json.dumps({"element": element, "outcome": "progress", **asdict(progress)})
    again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
    due = f", tried again at {_time(progress.due_at)}" if progress.due_at is not None else ""
    why = f": {progress.reason}" if progress.reason else ""
    return f"{element}  {progress.state}{again}{due}{why}"


def project_line(project: Project) -> str:
    """Return one line for what a project holds."""
    at = f"  at {_short(project.revision)}" if project.revision else ""
    held = f"{project.elements} elements, {project.repositories} repositories{at}"
    return f"{project.name}  {held}" + (f"  DOES NOT LOAD: {project.unhealthy}" if project.unhealthy else "")


def element_lines(element: Element) -> Iterator[str]:
    """Yield a line for an element and one for each of its sources."""
    yield f"{element.name}  (of another project)" if element.junctioned else element.name
    for each in element.sources:
        follows = f"  follows {', '.join(each.follows)}" if each.follows else ""
        ref = "no ref" if each.source.ref is None else _short(each.source.ref)
        place = f"  {each.source.url}" if each.source.url else ""
        yield f"  {each.source.index}  {each.source.kind}{place}  {ref}{follows}"


def reloaded_line(found: Reloaded) -> str:
    """Return one line for what a load found."""
    at = f" at {_short(found.revision)}" if found.revision else ""
    return f"loaded{at}: {found.added} elements added, {found.changed} changed, {found.removed} removed"


def located_lines(located: Located) -> Iterator[str]:
    """Yield where an element's sources are."""
    yield f"element key  {located.element_key or 'not known before a fetch'}"
    for each in located.sources:
        url = f"  {each.source.url}" if each.source.url else ""
        yield f"  {each.source.index}  {each.source.kind}{url}"
        yield f"     ref       {'none' if each.source.ref is None else _short(each.source.ref)}"
        yield f"     key       {each.key or 'not known before a fetch'}"
        if each.original is not None:
            yield f"     original  {each.original}"


def failed_line(element: str, reason: str, *, as_json: bool) -> str:
    """Return one line for an element that could not be done."""
    if as_json:
        return json.dumps({"element": element, "outcome": "failed", "reason": reason})
    return f"{element}  failed: {reason}"


def _moves(changes: Sequence[Change]) -> str:
    return ", ".join(f"{_short(change.previous or change.base)} → {_short(change.ref)}" for change in changes)


def _short(ref: Ref) -> str:
    text = ref if isinstance(ref, str) else json.dumps(ref)
    return text if len(text) <= 24 else f"{text[:11]}…{text[-11:]}"
