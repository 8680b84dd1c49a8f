"""Whoever waits for a job waits as long as it goes on, and no longer; and leaves no work for nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.codec import dump_answer, dump_reply, load_event, load_question
from hookfetch.core.events import RequestWithdrawn
from hookfetch.core.jobs import Reply
from hookfetch.core.ports import Message
from hookfetch.core.recipe_questions import RecipeAsked, RecipeTold
from hookfetch.server.grpc.assets.recipes import Recipes
from hookfetch.server.grpc.questions import Questions
from hookfetch.server.grpc.requests import Requests
from tests.server.grpc.gateway_lab import until

KEY = "a" * 64


@dataclass
class Coordinator:
    """Stands in for the coordinator of `p`, which has a job `open` until it `replies`."""

    bus: MemoryBus
    recipes: Recipes
    open: bool = True
    asked: int = 0
    events: list[SourcesRequested | RequestWithdrawn] = field(default_factory=list)

    async def on_question(self, message: Message) -> None:
        question = load_question(message.body)
        assert isinstance(question, RecipeAsked)
        self.asked += 1
        told = RecipeTold(project="p", epoch=1, known=True, open=self.open)
        await self.bus.publish_reply(question.reply_to, Message(id=question.id, body=dump_answer(told)))

    async def on_event(self, message: Message) -> None:
        event = load_event(message.body)
        assert isinstance(event, SourcesRequested | RequestWithdrawn)
        self.events.append(event)

    async def reply(self) -> None:
        event = self.events[0]
        assert isinstance(event, SourcesRequested)
        reply = Reply(request_id=event.id, outcome="fetched", element="a.bst", cached=True)
        await self.bus.publish_reply(event.reply_to or "", Message(id=event.id, body=dump_reply(reply)))


@asynccontextmanager
async def coordinator(folder: Path, *, most_seconds: float = 60.0) -> AsyncIterator[Coordinator]:
    bus = MemoryBus(folder / "dead")
    await bus.start()
    questions, requests = Questions(bus), Requests(bus)
    await questions.open()
    await requests.open()
    recipes = Recipes(questions, requests, look_seconds=0.02, most_seconds=most_seconds)
    here = Coordinator(bus, recipes)

    async def on_active() -> None: ...

    await bus.answer(here.on_question)
    await bus.coordinate("p", here.on_event, on_active)
    yield here
    await requests.close()
    await questions.close()
    await bus.close()


async def test_a_job_is_waited_for_as_long_as_the_coordinator_says_that_it_goes_on(tmp_path: Path) -> None:
    async with coordinator(tmp_path) as here:
        waiting = asyncio.create_task(here.recipes.make(["p"], KEY))
        await until(lambda: here.asked > 3)
        assert not waiting.done()
        await here.reply()
        assert await waiting


async def test_a_job_that_goes_on_no_more_is_given_up_and_withdrawn(tmp_path: Path) -> None:
    async with coordinator(tmp_path) as here:
        here.open = False
        assert not await here.recipes.make(["p"], KEY)
        await until(lambda: len(here.events) == 2)
        assert isinstance(here.events[1], RequestWithdrawn)
        assert here.events[1].request_id == here.events[0].id


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    async with coordinator(tmp_path, most_seconds=0.05) as here:
        assert not await here.recipes.make(["p"], KEY)


async def test_of_two_who_wait_one_may_leave_and_the_last_withdraws_the_request(tmp_path: Path) -> None:
    async with coordinator(tmp_path) as here:
        first, second = (asyncio.create_task(here.recipes.make(["p"], KEY)) for _ in range(2))
        await until(lambda: len(here.events) == 1)
        first.cancel()
        await asyncio.wait({first})
        assert not second.done()
        second.cancel()
        await until(lambda: len(here.events) == 2)
        assert isinstance(here.events[1], RequestWithdrawn)
