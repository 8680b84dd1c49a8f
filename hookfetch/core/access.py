"""Who may do what to which project? Deny by default: what no grant allows is refused. Pure.

It knows no token and no certificate: how a caller is told from others is the server's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from hookfetch.core.globs import Glob

Scope = Literal["read", "track", "fetch", "elements", "originals", "push", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Grant:
    """What is allowed with the projects that one of `projects` matches."""

    scopes: frozenset[Scope]
    projects: tuple[Glob, ...]

    def covers(self, project: str) -> bool:
        """Return whether `project` is meant; the name without a branch means each of its branches."""
        names = {project, project.partition("@")[0]}
        return any(glob.matches(name) for glob in self.projects for name in names)


@dataclass(frozen=True, slots=True)
class Caller:
    """One who calls, under the `name` that logs have."""

    name: str
    grants: tuple[Grant, ...]

    def may(self, scope: Scope, project: str) -> bool:
        """Return whether a grant allows `scope` with `project`."""
        return any(scope in grant.scopes and grant.covers(project) for grant in self.grants)

    def may_somewhere(self, scope: Scope) -> bool:
        """Return whether a grant allows `scope` with any project at all."""
        return any(scope in grant.scopes for grant in self.grants)

    def knows(self, project: str) -> bool:
        """Return whether a grant allows anything with `project`; to all others it does not exist."""
        return any(grant.scopes and grant.covers(project) for grant in self.grants)


def grant(scopes: Iterable[Scope], projects: Iterable[str]) -> Grant:
    """Return the grant of `scopes` with the projects that these globs match (`*` and `?` as for elements).

    ValueError when a glob has no sense.
    """
    return Grant(frozenset(scopes), tuple(map(Glob, projects)))


EVERYTHING = grant(SCOPES, ("**",))
