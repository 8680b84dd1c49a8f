"""What a source cache has lost is made again by its recipe, and nothing of the element moves by it."""

import asyncio
from dataclasses import replace
from pathlib import Path

from hookfetch.core.asset_requests import SourcesRequested
from hookfetch.core.codec import dump_event, dump_question, load_answer
from hookfetch.core.errors import ElementError
from hookfetch.core.events import RequestWithdrawn, SourceRef
from hookfetch.core.ports import Message
from hookfetch.core.recipe_questions import RecipeAsked, RecipeTold
from tests.coordinator.service import NEW, OLD, FakeEngine, Service, element, until, until_rows, url

COMMITTED = "c" * 64


def engine(**upstream: str | Exception) -> FakeEngine:
    made = FakeEngine(**upstream)
    made.revision = "first"
    made.elements = (replace(element("a"), keys=("git_repo/a", COMMITTED)), element("b"))
    return made


def asking(service: Service, request: str, key: str = COMMITTED) -> SourcesRequested:
    return SourcesRequested(id=request, key=key, reply_to=service.inbox.address)


def ref(commit: str) -> tuple[SourceRef, ...]:
    return (SourceRef(index=0, kind="git_repo", url=url("a"), ref=commit),)


async def test_committed_sources_are_made_by_either_key_as_of_their_revision(tmp_path: Path) -> None:
    fake = engine(a=NEW)
    async with Service(tmp_path, fake) as service:
        await service.push("a", "d1")  # what was announced since is not what is wanted
        await until(lambda: len(service.entries) == 1)
        fake.revision, fake.elements = "second", (element("b"),)
        service.loader.reload("d2")
        await until(lambda: service.loader.revision == "second")
        for request, key in (("r1", COMMITTED), ("r2", "git_repo/a")):
            reply = await service.ask(asking(service, request, key))
            assert (reply.outcome, reply.cached) == ("fetched", True)
            job = fake.ran[-1]
            assert (job.element, job.revision, job.refs, job.track) == ("a.bst", "first", ref(OLD), False)
            assert job.priority == "interactive"
        assert len(service.entries) == 1
        assert await service.rows("SELECT id FROM jobs") == []


async def test_what_a_job_has_cached_can_be_made_again(tmp_path: Path) -> None:
    fake = engine(a=NEW)
    async with Service(tmp_path, fake) as service:
        await service.push("a", "d1")
        await until(lambda: len(service.entries) == 1)
        assert (await service.ask(asking(service, "r", "key"))).outcome == "fetched"
        assert [each.ref for each in fake.ran[-1].refs] == [NEW]


async def test_those_who_miss_the_same_thing_wait_for_one_job(tmp_path: Path) -> None:
    fake = engine()
    async with Service(tmp_path, fake) as service:
        fake.gate.clear()
        asked = [asyncio.create_task(service.ask(asking(service, f"r{number}"))) for number in range(3)]
        await until_rows(lambda: service.rows("SELECT count(*) FROM job_clients"), [(3,)])
        await until(lambda: len(fake.ran) == 1)
        fake.gate.set()
        assert [reply.outcome for reply in await asyncio.gather(*asked)] == ["fetched"] * 3
        assert len(fake.ran) == 1


async def test_what_nobody_waits_for_any_more_is_not_begun(tmp_path: Path) -> None:
    fake = engine()
    async with Service(tmp_path, fake, slots=1) as service:
        fake.gate.clear()
        await service.push("b", "d1")
        await until(lambda: len(fake.ran) == 1)  # on the only slot
        asked = asyncio.create_task(service.ask(asking(service, "r")))
        await until_rows(lambda: service.rows("SELECT count(*) FROM job_clients"), [(1,)])
        left = RequestWithdrawn(id="r/withdrawn", request_id="r")
        await service.bus.publish_event(service.project, Message(id=left.id, body=dump_event(left)))
        await until_rows(lambda: service.rows("SELECT element FROM jobs"), [("b.bst",)])
        asked.cancel()
        fake.gate.set()
        await until_rows(lambda: service.rows("SELECT element FROM jobs"), [])
        assert [job.element for job in fake.ran] == ["b.bst"]


async def test_what_cannot_be_made_is_said_at_once_and_not_tried_again(tmp_path: Path) -> None:
    fake = engine(a=ElementError("gone"))
    async with Service(tmp_path, fake) as service:
        reply = await service.ask(asking(service, "r1"))
        assert (reply.outcome, reply.reason) == ("failed", "gone")
        await until_rows(lambda: service.rows("SELECT id FROM jobs"), [])
        assert (await service.ask(asking(service, "r2", "d" * 64))).outcome == "unknown_element"
        assert len(fake.ran) == 1


async def test_a_gateway_is_told_whether_there_is_a_recipe_and_a_job_that_follows_it(tmp_path: Path) -> None:
    told: list[RecipeTold] = []

    async def hear(message: Message) -> None:
        answer = load_answer(message.body)
        assert isinstance(answer, RecipeTold)
        told.append(answer)

    fake = engine()
    async with Service(tmp_path, fake) as service, service.answering():
        inbox = await service.bus.inbox(hear)
        fake.gate.clear()

        async def ask(key: str) -> tuple[bool, bool]:
            count = len(told)
            question = RecipeAsked(id="q", reply_to=inbox.address, projects=(service.project,), key=key)
            await service.bus.publish_question(Message(id="q", body=dump_question(question)))
            await until(lambda: len(told) > count)
            return told[-1].known, told[-1].open

        assert await ask("d" * 64) == (False, False)
        assert await ask(COMMITTED) == (True, False)
        asked = asyncio.create_task(service.ask(asking(service, "r")))
        await until(lambda: len(fake.ran) == 1)
        assert await ask(COMMITTED) == (True, True)
        fake.gate.set()
        await asked
