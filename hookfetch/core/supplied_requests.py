"""What a client that brings an element of its own asks of a project's coordinator."""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.supplied import SuppliedSource, Wants


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedRequested:
    """A client asked to track the `sources` that it brings, or to have them in the cache. The answer goes to
    `reply_to`."""

    id: str
    sources: tuple[SuppliedSource, ...]
    wants: Wants
    reply_to: str | None = None
    type: Literal["supplied_requested"] = "supplied_requested"
