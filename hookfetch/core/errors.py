"""Errors named by what is done next. Adapters raise them; one place on the bus translates them."""

from typing import Literal

RejectionCode = Literal["signature", "timestamp", "body", "forge"]


class HookfetchError(Exception):
    """Any error that hookfetch raises on purpose; its text is one line for a person."""


class Temporary(HookfetchError):
    """Worth trying again later: a remote, a cache or a child process was not there."""


class CacheAway(Temporary):
    """A source cache is not there, or lets nobody in: no element's fault, so its job is held, not failed."""


class Replaced(Temporary):
    """Another coordinator has taken the project over: whoever meets this ends its work on it."""


class Permanent(HookfetchError):
    """Will fail the same way again: the message goes to the dead letters with this reason."""


class Unwanted(HookfetchError):
    """Nobody wants the job any more, or another attempt of it does the work: it is dropped."""


class Busy(Temporary):
    """A bounded store is full; the sender is told when to come back."""


class ConfigurationError(HookfetchError):
    """The configuration cannot be used; the text names file, key and reason."""


class Rejected(HookfetchError):
    """A delivery is refused before it is accepted (`signature`, `timestamp`) or
    cannot be understood after it was (`body`, `forge`)."""

    def __init__(self, code: RejectionCode, reason: str) -> None:
        super().__init__(reason)
        self.code: RejectionCode = code
        self.reason = reason


class ElementError(HookfetchError):
    """BuildStream or an upstream refused one element; the text is BuildStream's, in one line."""
