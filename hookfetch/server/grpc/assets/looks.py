"""Who uses an upstream, and what it has now: coordinators are asked, and a job looks. Nothing here asks an
upstream itself, so that none is asked more than for a Track of the same element.
"""

import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import structlog

from hookfetch.core.asset_questions import User, UsersAsked, UsersTold
from hookfetch.core.asset_requests import LookRequested
from hookfetch.core.errors import Temporary
from hookfetch.core.sources import Ref
from hookfetch.server.grpc.admission import admitted
from hookfetch.server.grpc.errors import Refused
from hookfetch.server.grpc.questions import Questions, all_of, newest
from hookfetch.server.grpc.requests import Requests

_log = structlog.get_logger(__name__)

_MOST_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source was found to be at, by a look that began `at` (Unix seconds)."""

    ref: Ref
    at: float


@dataclass(frozen=True, slots=True)
class Used:
    """A source of a project's element."""

    project: str
    user: User


class Looks:
    """Asks coordinators over the gateway's inboxes; what looks found is remembered, in bounds."""

    def __init__(self, questions: Questions, requests: Requests) -> None:
        self._questions = questions
        self._requests = requests
        self._seen: OrderedDict[tuple[str, str, int], Seen] = OrderedDict()

    async def users(
        self,
        projects: Collection[str],
        kind: Literal["git", "files"],
        url: str,
        *,
        branch: str | None = None,
        digest: str | None = None,
    ) -> list[Used]:
        """Return the sources of `projects` at an address as `UsersAsked`, those that follow it first; none
        of a project whose coordinator does not answer in time. Temporary or Refused when nobody can be
        asked."""
        asked = tuple(sorted(projects))
        if not asked:
            return []
        answers = await self._questions.ask(
            lambda question, inbox: UsersAsked(
                id=question, reply_to=inbox, projects=asked, kind=kind, url=url, branch=branch, digest=digest
            ),
            all_of(asked),
        )
        told = newest(answers, UsersTold)
        found = [Used(each, user) for each in asked if each in told for user in told[each].users]
        return sorted(found, key=lambda used: not used.user.follows)

    async def newest(self, used: Used, oldest: float | None) -> Seen | None:
        """Return what a source is at upstream: as of a look that began at `oldest` (Unix seconds) or later,
        of one that begins now if that is None. None where no job could look, or the caller may not have one
        track; a caller that leaves takes its look back if it has not begun."""
        key = (used.project, used.user.element, used.user.index)
        seen = self._seen.get(key)
        if oldest is not None and seen is not None and seen.at >= oldest:
            return seen
        if not admitted.current.get().caller.may("track", used.project):
            return None
        began = time.time()
        if oldest is not None and began < oldest:
            return None  # nothing that can be had by now is from so late
        try:
            reply = await self._requests.ask(
                used.project,
                lambda request, inbox: LookRequested(id=request, element=used.user.element, reply_to=inbox),
            )
        except (Temporary, Refused) as error:
            _log.info("not looked", project=used.project, element=used.user.element, reason=str(error))
            return None
        if reply.outcome != "fetched":
            reason = reply.reason or reply.outcome
            _log.info("not looked", project=used.project, element=used.user.element, reason=reason)
            return None
        for ref in reply.refs:
            place = (used.project, used.user.element, ref.index)
            self._seen[place] = Seen(ref.ref, began)
            self._seen.move_to_end(place)
        while len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        found = self._seen.get(key)
        return found if found is not None and found.at == began else None
