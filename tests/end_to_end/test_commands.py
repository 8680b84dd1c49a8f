"""What the client and the commands that stand for it answer, and what a project's affected elements are."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import Lab
from tests.end_to_end.conftest import WITHIN, Start
from tests.support.commands import run

pytestmark = pytest.mark.engine


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A project and its upstreams, and no service over them."""
    lab = Lab(tmp_path)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.mark.broker
async def test_track_and_fetch_by_name_answer_with_refs_and_keys(start: Start, amqp_url: str) -> None:
    service = await start(amqp_url)
    await service.ready()
    _, after = await service.push("alpha", "asked for")
    tracked = await service.client.track(service.lab.project, "alpha.bst", timeout=WITHIN)
    assert after in str(tracked.changes[0].ref)
    fetched = await service.client.fetch(service.lab.project, "delta.bst", timeout=WITHIN)
    assert fetched.cached
    assert fetched.element_key
    assert fetched.element_directory is not None
    assert [each.key is not None and each.directory is not None for each in fetched.sources] == [True]


async def test_the_commands_watch_track_and_fetch_speak_json_and_text(start: Start) -> None:
    service = await start()
    await service.ready()
    lab = service.lab
    _, after = await service.push("alpha", "by command")
    where = ("--server", lab.grpc, "--project", lab.project)
    tracked = json.loads(await asyncio.to_thread(hookfetch, "track", *where, "--json", "alpha.bst"))
    assert after in str(tracked["changes"][0]["ref"])
    fetched = await asyncio.to_thread(hookfetch, "fetch", *where, "alpha.bst", "delta.bst")
    assert fetched.count("in the source cache as ") == 2
    watched = await asyncio.to_thread(
        hookfetch, "watch", *where, "--element", "al*.bst", "--from-start", "--count", "1", "--json"
    )
    update = json.loads(watched)
    assert (update["element"], update["cached"]) == ("alpha.bst", True)
    assert after in str(update["changes"][0]["ref"])
    assert "nobody.bst" in await asyncio.to_thread(hookfetch, "track", *where, "nobody.bst", code=1)


def test_affected_names_the_elements_of_a_push_and_takes_a_saved_delivery(lab: Lab) -> None:
    ask = ("affected", "--config", str(lab.config), "--project", lab.project)
    beta = ("--repo", lab.repositories["beta"].url(lab.upstreams.url), "--ref")
    assert hookfetch(*ask, *beta, "refs/tags/v9") == "beta.bst\n"
    assert hookfetch(*ask, *beta, "main") == ""
    gamma = lab.repositories["gamma"].url(lab.upstreams.url)
    headers, body = github_push(gamma, "refs/heads/main", "1" * 40, "2" * 40, lab.secret, "1")
    saved = lab.root / "saved.json"
    saved.write_bytes(body)
    saved.with_name("saved.headers.json").write_text(json.dumps({"headers": headers}))
    found = hookfetch(*ask, "--delivery", str(saved), "--hook", "forge", "--json")
    assert json.loads(found) == {"element": "gamma.bst"}


def hookfetch(*arguments: str, code: int = 0) -> str:
    """Run the command and return its output, having checked its exit code."""
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    return done.stdout
