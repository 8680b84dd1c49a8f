"""May a request be answered by a job that is with a worker already? Pure.

Never with what is older than the request: whoever asks to track wants a look at the upstream that comes
after asking, and nothing tells how far the look of a job has come that has begun.
"""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.commands import Refresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """An element's job that is with a worker, or on its way to one; `begun` once its worker may look at the
    upstream. `asked` is whether a person wants it: then nothing that it finds is held back. `basis` is what
    it was given."""

    id: str
    track: bool
    asked: bool
    begun: bool
    basis: str | None


def joining(refresh: Refresh, handed: Handed, basis: str | None) -> Literal["join", "take back", "wait"]:
    """Return what becomes of `refresh`, whose element stands on `basis` now: it joins the job, or the job
    is taken back to be handed out again for both, or it waits behind the job."""
    same = basis is not None and basis == handed.basis
    if not handed.begun:
        urgent = refresh.priority == "interactive" and not handed.asked
        enough = handed.track or not refresh.track
        return "join" if same and enough and not urgent else "take back"
    # A Fetch is as well served by the end of another one of the same refs. Tracking may fail, or find what is
    # to be held: no Fetch that came later is to share in that.
    fetches = refresh.client is not None and not refresh.track
    return "join" if fetches and same and not handed.track else "wait"
