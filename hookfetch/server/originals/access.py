"""Who may read which originals? One question, asked in one place before anything is looked for."""

from typing import Protocol

from aiohttp import web


class MayRead(Protocol):
    """Says what a request may be answered with."""

    def __call__(self, request: web.BaseRequest, project: str | None) -> bool:
        """Return whether whoever sent `request` may read what is kept for `project` alone, or, with None,
        what is kept of public upstreams for every project. web.HTTPUnauthorized to ask who it is: git and
        BuildStream send what they know of the host when they are asked."""


def shared_alone(request: web.BaseRequest, project: str | None) -> bool:  # noqa: ARG001 - as `MayRead` has it
    """Let everybody read what is kept of public upstreams, and nobody what needed an account."""
    return project is None
