"""What every operator's call checks first, and who calls."""

from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import unquote

import grpc

from hookfetch.server.grpc.errors import invalid, not_found

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
            raise not_found("project", project, f"no project of this name is served here: {project!r}")


def peer(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the address that calls."""
    return unquote(str(context.peer()))
