"""Which elements have work open, and how does each stand? Pure."""

from dataclasses import dataclass
from typing import Literal

ElementState = Literal["set aside", "held", "failing", "running", "waiting"]
# In the order in which they want a person's look.
STATES: tuple[ElementState, ...] = ("set aside", "held", "failing", "running", "waiting")

CANCELLED = "cancelled by "  # and who did: the reason with which a job ends
AT_ONCE_MOST = 1000  # elements that one request retries, releases or cancels


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementStanding:
    """An element with an open job. `failures` count those in a row, `attempts` all of the job. Times are
    Unix seconds: `since` is when it was set aside or handed out, else asked for; `due_at` when it is tried
    next, None for one that runs or is due already."""

    element: str
    state: ElementState
    failures: int = 0
    attempts: int = 0
    reason: str | None = None
    since: float | None = None
    due_at: float | None = None

    @property
    def rank(self) -> int:
        """Return its state's place in `STATES`."""
        return STATES.index(self.state)
