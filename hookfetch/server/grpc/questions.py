"""Questions to everyone who runs, and their answers gathered: until every project that is asked has
answered and ingresses had a moment, and never for long. At most `limit` are asked at once.
"""

import asyncio
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from hookfetch.core.asset_questions import UsersTold
from hookfetch.core.codec import Answered, Asked, dump_question, load_answer
from hookfetch.core.feed_questions import FeedCheckTold, FeedsTold
from hookfetch.core.ports import Bus, Inbox, Message
from hookfetch.core.project_questions import ToldOfProject
from hookfetch.core.questions import (
    ElementReport,
    ProjectElements,
    ProjectOutcomes,
    ProjectReport,
    ProjectStory,
)
from hookfetch.core.recipe_questions import RecipeTold
from hookfetch.server.grpc.errors import exhausted, unavailable

WITHIN_SECONDS = 2.0
SETTLE_SECONDS = 0.3
MAX_ASKED = 100
MAX_ANSWERS = 1000

OfProject = (
    ProjectStory
    | ProjectOutcomes
    | ElementReport
    | ProjectReport
    | ProjectElements
    | RecipeTold
    | UsersTold
    | ToldOfProject
    | FeedsTold
    | FeedCheckTold
)
P = TypeVar("P", bound=OfProject)


@dataclass(slots=True)
class _Waiting:
    answers: list[Answered] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Questions:
    """Asks over `bus`; answers come to an inbox that `open` opens."""

    def __init__(
        self,
        bus: Bus,
        *,
        within: float = WITHIN_SECONDS,
        settle: float = SETTLE_SECONDS,
        limit: int = MAX_ASKED,
    ) -> None:
        self._bus = bus
        self._within = within
        self._settle = settle
        self._limit = limit
        self._asked: dict[str, _Waiting] = {}
        self._inbox: Inbox | None = None

    async def open(self) -> None:
        """Open the inbox; Temporary when the bus is not there."""
        self._inbox = await self._bus.inbox(self._take)

    async def close(self) -> None:
        """Leave the inbox; who waits gets what has come."""
        if self._inbox is not None:
            await self._inbox.cancel()
            self._inbox = None

    async def ask(
        self,
        make: Callable[[str, str], Asked],
        enough: Callable[[Collection[Answered]], bool],
        *,
        settle: bool = False,
    ) -> list[Answered]:
        """Send what `make` makes of a question's id and a reply address; return the answers that came until
        `enough` of them had, with `settle` not before the ingresses had their moment.

        Temporary when the bus is not there, Refused when too many are asked at once.
        """
        if self._inbox is None:
            raise unavailable("the gateway is not ready")
        if len(self._asked) >= self._limit:
            raise exhausted(f"{self._limit} questions are asked already")
        question = make(secrets.token_hex(16), self._inbox.address)
        asked = self._asked[question.id] = _Waiting()
        clock = asyncio.get_running_loop().time
        try:
            await self._bus.publish_question(Message(id=question.id, body=dump_question(question)))
            end, settled = clock() + self._within, clock() + (self._settle if settle else 0.0)
            while (left := (settled if enough(asked.answers) else end) - clock()) > 0:
                asked.changed.clear()
                try:
                    async with asyncio.timeout(left):
                        await asked.changed.wait()
                except TimeoutError:
                    continue  # which of the two times it was is asked again
            return asked.answers
        finally:
            del self._asked[question.id]

    async def _take(self, message: Message) -> None:
        asked = self._asked.get(message.id)
        if asked is not None and len(asked.answers) < MAX_ANSWERS:  # else: too late for anyone to hear
            asked.answers.append(load_answer(message.body))
            asked.changed.set()


def all_of(projects: Collection[str]) -> Callable[[Collection[Answered]], bool]:
    """Return what tells whether every one of `projects` has answered."""

    def enough(answers: Collection[Answered]) -> bool:
        return {each.project for each in answers if isinstance(each, OfProject)} >= set(projects)

    return enough


def about(projects: Collection[str], answers: Collection[Answered]) -> list[Answered]:
    """Return `answers` without those about other projects."""
    return [each for each in answers if not isinstance(each, OfProject) or each.project in projects]


def newest(answers: Collection[Answered], kind: type[P]) -> dict[str, P]:
    """Return the answer of each project: of several that of the highest epoch, since the others' coordinators
    do not know yet that they were replaced."""
    found: dict[str, P] = {}
    for answer in answers:
        if isinstance(answer, kind):
            known = found.get(answer.project)
            if known is None or answer.epoch >= known.epoch:
                found[answer.project] = answer
    return found
