"""What an operator does at the command line about an element whose upstream fails."""

import asyncio
import json

import pytest

from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.commands import run

pytestmark = pytest.mark.engine


async def test_an_element_is_set_aside_retried_released_and_cancelled(start: Start) -> None:
    service = await start(None, "[retry]\nattempts = 1\n")
    await service.ready()
    project, lost = service.lab.project, ("--project", service.lab.project)
    before, after = await service.push("alpha", "lost for a while")
    repository = service.lab.repositories["alpha"].path
    repository.rename(repository.with_name("away"))
    delivery = await service.post("alpha", before, after)
    await _listed(service, 1)
    _, shown, _ = await _hookfetch(service, "elements", "list", *lost)
    line, end = shown.splitlines()
    assert line.startswith(f"set aside  {project}  alpha.bst  since ")
    assert ", 1 failed of 1, tried " in line
    assert end == "1 set aside"
    report = await _hookfetch(service, "elements", "show", "alpha.bst", *lost)
    assert "It is set aside for 24 h more after 1 failure: " in report[1]

    assert await _hookfetch(service, "elements", "retry", "alpha.bst", *lost) == (
        0,
        "alpha.bst  tried now\n",
        "",
    )
    await _listed(service, 2)
    repository.with_name("away").rename(repository)
    assert await _hookfetch(service, "elements", "release", "a*", *lost, "--json") == (
        0,
        json.dumps({"project": project, "element": "alpha.bst", "released": True}) + "\n",
        "",
    )
    [update] = await service.updates(1)
    assert update.element == "alpha.bst"
    assert delivery in update.causes
    code, out, said = await _hookfetch(service, "elements", "release", "a*", *lost)
    assert (code, out) == (1, "")
    assert said.startswith(
        f"hookfetch: {project}: nothing that matches 'a*' is set aside, held or failing: see "
    )
    assert said.count("\n") == 1

    await service.client.operations.pause([project])
    delivery = await service.post("alpha", *await service.push("alpha", "never mind"))
    async with asyncio.timeout(WITHIN):
        while not (await service.client.operations.elements(states=["waiting"])).elements:
            await asyncio.sleep(0.05)
    assert await _hookfetch(service, "elements", "cancel", "alpha.bst", *lost) == (
        0,
        "alpha.bst  cancelled\n",
        "",
    )
    story = await service.ended(delivery)
    assert story.outcome == "nothing to do"
    assert (story.reason or "").startswith("cancelled by ")
    code, out, said = await _hookfetch(service, "elements", "cancel", "alpha.bst", *lost)
    assert (code, out) == (1, "")
    assert said.startswith(f"hookfetch: {project}: alpha.bst has no job that waits or runs: see ")


async def _listed(service: Service, failures: int) -> None:
    """Wait until the element is set aside after so many failures."""
    async with asyncio.timeout(WITHIN):
        while True:
            page = await service.client.operations.elements(states=["set aside"])
            if [(each.element, each.failures) for each in page.elements] == [("alpha.bst", failures)]:
                return
            await asyncio.sleep(0.05)


async def _hookfetch(service: Service, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(run, *arguments, "--server", service.lab.grpc)
    return done.returncode, done.stdout, done.stderr
