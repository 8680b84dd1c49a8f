"""How the elements with open jobs stand, read from the store."""

import sqlite3

from hookfetch.core.standing import ElementStanding, ElementState


def standing(db: sqlite3.Connection, now: float) -> list[ElementStanding]:
    """Return every element with an open job, those that want a look first, then by name; one with a
    running and a waiting job as the running one has it. `now` is in Unix seconds."""
    rows = db.execute(
        "SELECT element, state, attempt, failures, reason, asked_at, handed_out_at, due_at, set_aside_at,"
        " held FROM jobs ORDER BY state"  # `running` comes before `waiting`
    )
    found: dict[str, ElementStanding] = {}
    for element, job_state, attempts, failures, reason, asked, handed_out, due, set_aside, held in rows:
        state: ElementState
        if job_state == "running":
            state, since = "running", handed_out
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
