"""What an operator sees of a running service: stories, reasons, pauses."""

import asyncio
import json

import pytest

from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.commands import run

pytestmark = pytest.mark.engine


async def test_a_push_becomes_a_ref_update_its_story_is_told_and_a_pause_holds_the_next(
    start: Start, amqp: str | None
) -> None:
    service = await start(amqp)
    await service.ready()
    project, operations = service.lab.project, service.client.operations
    before, after = await service.push("alpha", "told")
    delivery = await service.post("alpha", before, after)
    [update] = await service.updates(1)
    assert (update.element, update.causes, update.cached) == ("alpha.bst", (delivery,), True)
    assert update.changes[0].base == before
    assert after in str(update.changes[0].ref)
    story = await service.ended(delivery)
    [told] = story.projects
    assert (story.outcome, told.project, story.silent) == ("done", project, ())
    assert [(event.delivery_id, event.outcome) for event in told.events] == [(delivery, "done")]
    [job] = told.jobs
    assert (job.element, job.state, job.outcome, job.causes) == ("alpha.bst", "ended", "done", (delivery,))
    [entry] = told.entries
    assert (entry.number, entry.cached) == (1, True)
    [accepted] = story.deliveries
    assert (accepted.id, accepted.outcome, accepted.fact_count) == (delivery, "done", 1)
    assert [each.id for each in (await operations.deliveries(outcome="done")).deliveries] == [delivery]
    report = await operations.explain(project, "alpha.bst")
    assert report.summary.startswith("It is up to date")
    assert after in str(report.sources[0].proposed)

    shown = await asyncio.to_thread(_command, service, "deliveries", "show", delivery)
    assert f"{delivery}: done" in shown
    assert (
        await asyncio.to_thread(_command, service, "pause", "--reason", "a freeze") == f"{project}  paused\n"
    )
    second = await service.post("alpha", *await service.push("alpha", "held"))
    async with asyncio.timeout(WITHIN):
        while (await operations.explain(project, "alpha.bst")).jobs[0].causes != (second,):
            await asyncio.sleep(0.05)
    why = await asyncio.to_thread(_command, service, "why", "alpha.bst", "--project", project, "--json")
    assert "a freeze; a job waits until it is resumed" in json.loads(why)["summary"]
    assert (await operations.state()).projects[0].last_entry == 1
    await asyncio.to_thread(_command, service, "resume")
    _, update = await service.updates(2)
    assert second in update.causes  # the sweep, which makes up for its turns, may have found it too

    replay = f"{delivery}~1"
    sent = await asyncio.to_thread(_command, service, "deliveries", "replay", delivery)
    assert sent == f"{delivery}  replayed as {replay}\n"
    story = await service.ended(replay)
    assert [each.id for each in story.deliveries] == [delivery, replay]
    listed = await asyncio.to_thread(_command, service, "deliveries", "list", "--json", "--count", "2")
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [replay, second]
    assert f"{project}  healthy" in await asyncio.to_thread(_command, service, "state")


def _command(service: Service, *arguments: str) -> str:
    done = run(*arguments, "--server", service.lab.grpc)
    assert done.returncode == 0, done.stderr
    return done.stdout
