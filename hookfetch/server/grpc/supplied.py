"""Elements that clients bring with a request: who may, how many, what of them goes on to the coordinator, and
the text with new refs back. Their text goes no further than here.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from hookfetch.core.jobs import Change, Reply
from hookfetch.core.supplied import NotAllowed, SuppliedRules, SuppliedSource, Wants
from hookfetch.core.supplied_requests import SuppliedRequested
from hookfetch.edits import Refused as NotWritten
from hookfetch.edits import edited_document, parse, ref_changes
from hookfetch.server.access.access import ANONYMOUS
from hookfetch.server.access.shares import Shares, UsedUp
from hookfetch.server.grpc.admission.admitted import current
from hookfetch.server.grpc.admission.credentials import address, host
from hookfetch.server.grpc.admission.methods import Rule
from hookfetch.server.grpc.admission.permission import permit
from hookfetch.server.grpc.checks import named
from hookfetch.server.grpc.errors import Refused, failed, invalid, over_quota
from hookfetch.server.grpc.messages import change_messages, source_messages
from hookfetch.supplied import read
from hookfetch.v1 import sources_pb2

Context = grpc.aio.ServicerContext[Any, Any]

_TEXT = "supplied.text"
_BRINGS = Rule(scope="elements")


@dataclass(frozen=True, slots=True)
class Brought:
    """An element that a client brought, as far as it is looked at, and its text."""

    text: str
    sources: tuple[SuppliedSource, ...]
    wants: Wants

    def event(self, key: str, inbox: str) -> SuppliedRequested:
        """Return what the coordinator is asked, in the request `key`."""
        return SuppliedRequested(id=key, sources=self.sources, wants=self.wants, reply_to=inbox)

    async def tracked(self, reply: Reply) -> sources_pb2.TrackResponse:
        """Return the refs that were found, and the text in which they alone differ."""
        changes = tuple(
            Change(
                index=found.index, kind=found.kind, url=found.url, base=before, previous=None, ref=found.ref
            )
            for found, before in zip(reply.refs, (source.ref for source in self.sources), strict=True)
            if found.ref is not None and found.ref != before
        )
        try:
            text = await asyncio.to_thread(_written, self.text, changes)
        except NotWritten as error:
            raise failed("TRACK_FAILED", f"the new refs cannot be written into the text: {error}") from error
        return sources_pb2.TrackResponse(
            changes=change_messages(changes), refs=source_messages(reply.refs), text=text
        )


class SuppliedElements:
    """Takes clients' elements for the projects in `rules`, within each caller's share."""

    def __init__(self, rules: Mapping[str, SuppliedRules], shares: Shares) -> None:
        self._rules = rules
        self._shares = shares

    @asynccontextmanager
    async def taken(
        self, projects: Collection[str], project: str, text: str, wants: Wants, context: Context
    ) -> AsyncIterator[Brought]:
        """Give what a client brought for one of `projects`, and count it as long as it is worked on; Refused
        when the caller may not bring it."""
        named("project", project)
        permit(_BRINGS, current.get().caller, (project,), projects)
        who = _caller(context)
        try:
            self._shares.enter(who)
        except UsedUp as error:
            raise over_quota(str(error), f"caller:{who}", error.seconds) from error
        try:
            rules = self._rules.get(project, SuppliedRules())
            try:
                sources = await asyncio.to_thread(read, text, rules, wants)
            except NotAllowed as error:
                raise not_allowed(error.field, error.reason) from error
            yield Brought(text, sources, wants)
        finally:
            self._shares.leave(who)


def not_allowed(field: str | None, reason: str) -> Refused:
    """Return the refusal of a client's element for what stands at `field` of its text."""
    return invalid(f"{_TEXT}.{field}" if field else _TEXT, reason)


def _caller(context: Context) -> str:
    # Of those who show nothing, one must not use up what is there for all.
    name = current.get().caller.name
    return f"{ANONYMOUS} {host(address(context))}" if name == ANONYMOUS else name


def _written(text: str, changes: tuple[Change, ...]) -> str:
    document = parse(text)
    places = (ref_changes(document, ("sources", change.index), change.base, change.ref) for change in changes)
    return edited_document(text, document, [each for made in places for each in made])
