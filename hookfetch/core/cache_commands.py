"""What a handler asks for when the source cache does not answer, or answers again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldForCache:
    """The job waits until the source cache answers, and has not failed."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheIsAway:
    """The source cache did not answer, for `reason`; it is asked again after `pause` seconds."""

    reason: str
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBackQueued:
    """Jobs that are on their way to a worker are unwanted there; they go out anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAnswers:
    """The source cache is there again: what is held for it goes out. `proved`: it has taken something."""

    proved: bool


CacheCommand = HoldForCache | CacheIsAway | TakeBackQueued | CacheAnswers
