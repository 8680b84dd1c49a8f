"""Who makes the call that is being answered, and which projects exist for it."""

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from hookfetch.core.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that was let in: whose it is, and the scope that its method asks for."""

    caller: Caller
    scope: Scope | None


# Set for the task that answers; nothing is answered without, so a servicer cannot forget to ask.
current: ContextVar[Admitted] = ContextVar("admitted call")


def visible(projects: Iterable[str]) -> frozenset[str]:
    """Return those of `projects` with which the call may do what its method does; the others do not exist
    for it."""
    call = current.get()
    if call.scope is None:
        return frozenset()
    return frozenset(name for name in projects if call.caller.may(call.scope, name))


def may_with_all(projects: Iterable[str]) -> bool:
    """Return whether the call may do what its method does with every one of `projects`."""
    wanted = frozenset(projects)
    return visible(wanted) == wanted
