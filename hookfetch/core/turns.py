"""Whose job does a free slot of a worker take next? Pure: no queue, no clock.

A project's process has to be started before it can work, so a slot stays with a project for a turn; but
one that has several slots gives one up at once for a project that has none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

TURN = 5.0  # seconds: twice what it costs to start and load a process


@dataclass(slots=True)
class Turn:
    """What a slot is on: whose jobs, and since when."""

    project: str | None = None
    since: float = 0.0

    def take(self, project: str, now: float) -> None:
        """Take a job of `project`: a new turn if it is another's, or if this one is over."""
        if project != self.project or now - self.since >= TURN:
            self.project, self.since = project, now


def next_project(
    waiting: Collection[str], turn: Turn, busy: Mapping[str, int], taken: Mapping[str, float], now: float
) -> str:
    """Return one of `waiting`, the projects with a job. `busy` says how many other slots are on a project,
    `taken` when its last job was taken; times are in seconds of one clock."""
    least = min(
        waiting, key=lambda project: (busy.get(project, 0), taken.get(project, float("-inf")), project)
    )
    mine = turn.project
    if mine is None or mine not in waiting or busy.get(mine, 0) > busy.get(least, 0):
        return least
    return mine if now - turn.since < TURN else least
