"""What every operator's call checks first, and who calls."""

from collections.abc import Collection, Iterable
from typing import Any

import grpc

from hookfetch.server.access.access import ANONYMOUS
from hookfetch.server.grpc.admission.admitted import current
from hookfetch.server.grpc.admission.credentials import address
from hookfetch.server.grpc.errors import Refused, invalid, not_found

MAX_NAME = 1000  # characters of an id or a name


def named(field: str, value: str) -> None:
    """Refused when `value` names nothing."""
    if not value:
        raise invalid(field, "must not be empty")
    if len(value) > MAX_NAME:
        raise invalid(field, f"has at most {MAX_NAME} characters")


def served(projects: Iterable[str], here: Collection[str]) -> None:
    """Refused when one of `projects` is not served `here`."""
    for project in projects:
        named("project", project)
        if project not in here:
            raise no_such_project(project)


def no_such_project(project: str) -> Refused:
    """Return the refusal of a project that is not there, or not for this caller: the same to it."""
    return not_found("project", project, f"no project of this name is served here: {project!r}")


def peer(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return who makes the call: the address, and the name if one was shown."""
    name = current.get().caller.name
    return address(context) if name == ANONYMOUS else f"{name} at {address(context)}"
