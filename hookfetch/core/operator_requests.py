"""What an operator asks of a project's coordinator: that it rest or go on, and what becomes of elements."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequested:
    """An operator at the address `by` asked that the project rest."""

    id: str
    reason: str
    by: str
    reply_to: str | None = None
    type: Literal["pause_requested"] = "pause_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested:
    """An operator at the address `by` asked that the project go on."""

    id: str
    by: str
    reply_to: str | None = None
    type: Literal["resume_requested"] = "resume_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested:
    """An operator asked that `elements`, a name or a glob, be tried now, whatever they wait for."""

    id: str
    elements: str
    reply_to: str | None = None
    type: Literal["retry_requested"] = "retry_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequested:
    """An operator decided that `elements`, a name or a glob, are quarantined and held no more."""

    id: str
    elements: str
    reply_to: str | None = None
    type: Literal["release_requested"] = "release_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """An operator at the address `by` asked that the open jobs of `elements`, a name or a glob, end."""

    id: str
    elements: str
    by: str
    reply_to: str | None = None
    type: Literal["cancel_requested"] = "cancel_requested"
