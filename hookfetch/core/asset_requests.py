"""What a client of the source cache asks of a project's coordinator: what it missed by its key, or what may
have moved upstream.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesRequested:
    """A client missed what is cached under `key` (an element's, or `<kind>/<key>` of one source): have it
    there again. The answer goes to `reply_to`."""

    id: str
    key: str
    reply_to: str | None = None
    type: Literal["sources_requested"] = "sources_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRequested:
    """A client wants what an upstream of `element` has now: track the element, and fetch what it is at. The
    answer goes to `reply_to` once that was done, as for a fetch."""

    id: str
    element: str
    reply_to: str | None = None
    type: Literal["look_requested"] = "look_requested"
