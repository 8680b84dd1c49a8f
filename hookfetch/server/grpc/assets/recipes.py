"""What is missing in a source cache is made again: the coordinator that has a recipe for it is found and
asked, and waited for as long as its job goes on. It fetches nothing itself.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.errors import Temporary
from hookfetch.core.jobs import Reply
from hookfetch.core.recipe_questions import RecipeAsked, RecipeTold
from hookfetch.server.grpc.errors import Refused
from hookfetch.server.grpc.questions import Questions, all_of, newest
from hookfetch.server.grpc.requests import Requests

_log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0  # between two looks at whether the job goes on
MOST_SECONDS = 1200.0  # that anyone waits for a job
# A coordinator that did not answer is not asked for so long, or each of a client's misses would wait for it.
SILENT_SECONDS = 10.0
_REPLY_SECONDS = 2.0  # that the reply of a job which has ended may be on its way


@dataclass(slots=True)
class _Making:
    task: "asyncio.Task[bool]"
    waiting: int = 0


class Recipes:
    """Asks the coordinators of projects; those who miss the same thing wait for one answer."""

    def __init__(
        self,
        questions: Questions,
        requests: Requests,
        *,
        look_seconds: float = LOOK_SECONDS,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._questions = questions
        self._requests = requests
        self._look_seconds = look_seconds
        self._most_seconds = most_seconds
        self._making: dict[tuple[frozenset[str], str], _Making] = {}
        self._silent: dict[str, float] = {}

    async def make(self, projects: Collection[str], key: str) -> bool:
        """Return whether what is cached under `key` was made again for one of `projects`. It is given up
        once nobody waits for it any more."""
        at = (frozenset(projects), key)
        making = self._making.get(at)
        if making is None:
            task = asyncio.create_task(self._make(at[0], key), name=f"asset {key}")
            making = self._making[at] = _Making(task)
        making.waiting += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.waiting -= 1
            if not making.waiting:
                del self._making[at]
                making.task.cancel()

    async def knows(self, projects: Collection[str], key: str) -> bool:
        """Return whether one of `projects` has a recipe for `key`, as far as their coordinators answer."""
        try:
            return bool(await self._who_knows(projects, key))
        except (Temporary, Refused) as error:
            _log.info("not asked", key=key, reason=str(error))
            return False

    async def _make(self, projects: frozenset[str], key: str) -> bool:
        try:
            for project in await self._who_knows(projects, key):
                if await self._made(project, key):
                    return True
        except (Temporary, Refused) as error:
            _log.info("not made", key=key, reason=str(error))
        return False

    async def _who_knows(self, projects: Collection[str], key: str) -> list[str]:
        """Return the projects that have a recipe for `key`."""
        now = asyncio.get_running_loop().time()
        asked = tuple(sorted(each for each in projects if self._silent.get(each, 0.0) <= now))
        if not asked:
            return []
        told = await self._told(asked, key)
        silent = set(asked) - told.keys()
        if silent:
            _log.warning("no coordinator answers", projects=sorted(silent))
        for project in silent:
            self._silent[project] = asyncio.get_running_loop().time() + SILENT_SECONDS
        return [project for project in asked if project in told and told[project].known]

    async def _told(self, projects: tuple[str, ...], key: str) -> dict[str, RecipeTold]:
        answers = await self._questions.ask(
            lambda question, inbox: RecipeAsked(id=question, reply_to=inbox, projects=projects, key=key),
            all_of(projects),
        )
        return newest(answers, RecipeTold)

    async def _made(self, project: str, key: str) -> bool:
        asking = asyncio.create_task(
            self._requests.ask(
                project, lambda request, inbox: SourcesRequested(id=request, key=key, reply_to=inbox)
            ),
            name=f"asset {key} of {project}",
        )
        try:
            reply = await self._reply(asking, project, key)
        finally:
            asking.cancel()  # the coordinator hears of it, if it has not answered
            await asyncio.gather(asking, return_exceptions=True)
        if reply is None or reply.outcome != "fetched":
            reason = "the job does not go on" if reply is None else reply.reason or reply.outcome
            _log.warning("not made", project=project, key=key, reason=reason)
            return False
        return reply.cached

    async def _reply(self, asking: "asyncio.Task[Reply]", project: str, key: str) -> Reply | None:
        """Return the coordinator's reply, or None once it does not say any more that a job is at it."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._most_seconds
        while clock() < end:
            if await _done(asking, min(self._look_seconds, end - clock())):
                return asking.result()
            told = (await self._told((project,), key)).get(project)
            if told is None or not told.open:
                break
        return asking.result() if await _done(asking, _REPLY_SECONDS) else None


async def _done(task: "asyncio.Task[Reply]", within: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=within)
    return bool(done)
