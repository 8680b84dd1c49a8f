"""What a client of the source cache asks of a project's coordinator, by the key that it looked up."""

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
