"""What a project's policy asks of an element, and when its work is due by that. Pure: no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hookfetch.core.globs import Glob

Reaction = Literal["follow", "hold"]

# A stream of pushes postpones a job at most this many times its debounce after the first of them.
MOST_DEBOUNCES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementPolicy:
    """What holds for one element; `debounce` and `minimum_interval` are in seconds.

    `rewritten_branch` is for branches that were forced or deleted, `moved_tag` for tags that
    point elsewhere than before or are gone. A branch belongs to its authors and moves by nature;
    a tag is a promise, and one that is broken looks the same as an attack: a person decides.
    """

    debounce: float = 0.0
    minimum_interval: float = 0.0
    rewritten_branch: Reaction = "follow"
    moved_tag: Reaction = "hold"

    def holds(self, kind: str) -> bool:
        """Return whether an alarm of this kind keeps the element where it is."""
        return (self.moved_tag if kind.startswith("tag_") else self.rewritten_branch) == "hold"

    def due(self, now: float, first: float, started: float | None) -> float:
        """Return when background work is due that was asked for at `first` and again at `now`, where
        the last background job of the element started at `started`; all in Unix seconds."""
        due = min(now + self.debounce, first + MOST_DEBOUNCES * self.debounce)
        return due if started is None else max(due, started + self.minimum_interval)


@dataclass(frozen=True, slots=True)
class Policy:
    """A project's rules in order: the first with a glob that matches an element holds, whole."""

    rules: Sequence[tuple[Sequence[Glob], ElementPolicy]] = field(default=())

    def of(self, element: str) -> ElementPolicy:
        """Return what holds for an element."""
        for globs, policy in self.rules:
            if any(glob.matches(element) for glob in globs):
                return policy
        return ElementPolicy()
