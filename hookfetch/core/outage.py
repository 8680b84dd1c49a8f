"""A source cache that is not there: what is known of it, and when it is asked again. Pure."""

from dataclasses import dataclass

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A project's cache did not answer; `reason` is one line that names the server.

    `since` and `probe_at` are in Unix seconds, `pause` is the seconds between two probes. `since` is None
    once it has answered a probe, until it has taken something: so long the pauses go on growing.
    """

    since: float | None
    reason: str
    pause: float
    probe_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOutage:
    """What people are told of an outage: since when (Unix seconds), why, and how many jobs it has `held`."""

    since: float
    reason: str
    held: int = 0


def next_pause(outage: Outage | None) -> float:
    """Return the seconds to the next probe of a cache that did not answer just now."""
    return FIRST_PAUSE if outage is None else min(2 * outage.pause, LONGEST_PAUSE)
