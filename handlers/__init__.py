"""What follows from what. Each handler decides and does not act: an event and the project's
state in, commands out. This table is the whole of it.
"""

from collections.abc import Callable
from typing import Any

from hookfetch.core import events, job_requests, operator_requests
from hookfetch.core.asset_requests import LookRequested, SourcesRequested
from hookfetch.core.commands import Command
from hookfetch.core.events import Event
from hookfetch.core.state import ProjectState
from hookfetch.core.supplied_requests import SuppliedRequested
from hookfetch.handlers import (
    caches,
    files,
    jobs,
    operating,
    originals,
    recipes,
    releases,
    repository,
    requests,
    results,
    supplied,
    upstream,
)

HANDLERS: dict[type[Event], Callable[[Any, ProjectState], list[Command]]] = {
    events.BranchPushed: upstream.on_pushed,
    events.TagPushed: upstream.on_pushed,
    events.BranchDeleted: upstream.on_deleted,
    events.TagDeleted: upstream.on_deleted,
    events.ReleasePublished: upstream.on_released,
    events.FileChanged: files.on_file_changed,
    events.ReleaseFound: releases.on_release_found,
    events.RepositoryMoved: repository.on_moved,
    events.Pinged: repository.on_pinged,
    events.TrackRequested: requests.on_track_requested,
    events.FetchRequested: requests.on_fetch_requested,
    SourcesRequested: recipes.on_sources_requested,
    LookRequested: originals.on_look_requested,
    SuppliedRequested: supplied.on_supplied_requested,
    job_requests.WatchRequested: jobs.on_watch_requested,
    job_requests.ReloadRequested: jobs.on_reload_requested,
    events.RequestWithdrawn: requests.on_withdrawn,
    operator_requests.PauseRequested: operating.on_pause_requested,
    operator_requests.ResumeRequested: operating.on_resume_requested,
    operator_requests.RetryRequested: operating.on_retry_requested,
    operator_requests.ReleaseRequested: operating.on_release_requested,
    operator_requests.CancelRequested: operating.on_cancel_requested,
    events.JobBegun: results.on_begun,
    events.JobTracked: results.on_tracked,
    events.JobDone: results.on_done,
    events.JobFailed: results.on_failed,
    events.JobHeld: caches.on_held,
    events.CacheAnswered: caches.on_cache_answered,
}


def decide(event: Event, state: ProjectState) -> list[Command]:
    """Return what follows from `event` in `state`."""
    return HANDLERS[type(event)](event, state)
