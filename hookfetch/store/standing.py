"""How the elements with open jobs stand, read from the store."""

import sqlite3

from hookfetch.core.standing import ElementStanding, ElementState
from hookfetch.core.state import OpenJob
from hookfetch.store.clients import clients
from hookfetch.store.outage import current


def standing(db: sqlite3.Connection, now: float) -> list[ElementStanding]:
    """Return every element with an open job, those that want a look first, then by name; one with a
    running and a waiting job as the running one has it. `now` is in Unix seconds."""
    rows = db.execute(
        "SELECT element, state, attempt, failures, reason, asked_at, handed_out_at, due_at, set_aside_at,"
        " held, awaits_cache FROM jobs ORDER BY state"  # `running` comes before `waiting`
    )
    outage = current(db)
    outage_since, probe_at = (None, now) if outage is None else (outage.since, outage.probe_at)
    found: dict[str, ElementStanding] = {}
    for element, job_state, attempts, failures, reason, asked, begun, due, set_aside, held, awaits in rows:
        state: ElementState
        if job_state == "running":
            state, since = "running", begun
        elif awaits:
            state, since, due = "held", outage_since, probe_at
        elif set_aside is not None:
            state, since = ("held" if held else "set aside"), set_aside
        else:
            state, since = ("failing" if failures else "waiting"), asked or None
        found.setdefault(
            element,
            ElementStanding(
                element=element,
                state=state,
                failures=failures,
                attempts=attempts,
                reason=reason,
                since=since,
                due_at=due if job_state == "waiting" and due > now else None,
            ),
        )
    return sorted(found.values(), key=lambda each: (each.rank, each.element))


def open_jobs(db: sqlite3.Connection, element: str) -> list[OpenJob]:
    """Return the open jobs of `element`, the one that is handed out before the one that waits."""
    rows = db.execute("SELECT id, state, attempt FROM jobs WHERE element = ? ORDER BY state", (element,))
    return [
        OpenJob(id=job_id, runs=state == "running", attempt=attempt, clients=clients(db, job_id))
        for job_id, state, attempt in rows.fetchall()
    ]
