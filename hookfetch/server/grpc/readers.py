"""Who may read what of the source cache through this gateway: the one question put to access control."""

from collections.abc import Collection, Iterable
from typing import Any, Protocol

import grpc

Context = grpc.aio.ServicerContext[Any, Any]


class Readers(Protocol):
    """Decides from a call's context and the instance name in its request."""

    def projects(self, context: Context, instance_name: str) -> Collection[str]:
        """Return the projects whose sources the caller may have: those that an instance name means, all of
        the caller's for an empty one. None of them is no error: then there is nothing to be found."""


class AnyReader:
    """Lets everyone who reaches the gateway read all of `projects`; an instance name means one of them, or
    every branch of one."""

    def __init__(self, projects: Iterable[str]) -> None:
        self._projects = frozenset(projects)

    def projects(self, context: Context, instance_name: str) -> Collection[str]:  # noqa: ARG002 - all are alike
        """Return the projects that the instance name means."""
        if not instance_name:
            return self._projects
        return {each for each in self._projects if instance_name in (each, each.partition("@")[0])}
