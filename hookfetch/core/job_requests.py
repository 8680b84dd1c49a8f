"""What a client asks of a project's coordinator beside work: to watch a job, or to load the branch again."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequested:
    """A client wants to be told how the open job of an element stands, until it is over."""

    id: str
    element: str
    reply_to: str
    type: Literal["watch_requested"] = "watch_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadRequested:
    """A client at the address `by` asked that the project's branch be loaded again; the answer comes when
    that is done."""

    id: str
    by: str
    reply_to: str | None = None
    type: Literal["reload_requested"] = "reload_requested"
