"""Deliveries and their stories: whose projects handled them, and nobody else's."""

from pathlib import Path

import pytest

from hookfetch.client import Credentials, Denied, NotFound
from hookfetch.core.access import Scope
from tests.coordinator.service import NEW, FakeEngine, until_rows
from tests.server.grpc.access_lab import TOKENS, access_for, known
from tests.server.grpc.test_grpc_operations import Operated, operated, record


def _as(name: str, folder: Path) -> Credentials:
    file = folder / "token"
    file.write_text(TOKENS[name])
    return Credentials(token_file=file)


async def _seen(lab: Operated) -> set[str]:
    """Return which deliveries are listed, of one that `p` handled and one that nobody did."""
    await lab.pushed("h/1")
    lab.kept.records.append(record("h/private"))
    await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
    return {each.id for each in (await lab.operations.deliveries()).deliveries}


@pytest.mark.parametrize(
    ("projects", "here", "seen"),
    [
        (["*"], ["p"], {"h/1", "h/private"}),
        (["p"], ["p", "q"], {"h/1"}),
        (["q"], ["p", "q"], set()),
    ],
)
async def test_a_listing_has_what_the_caller_s_projects_handled(
    tmp_path: Path, projects: list[str], here: list[str], seen: set[str]
) -> None:
    access = access_for(known("gnome", ["read"], projects))
    async with operated(
        tmp_path, FakeEngine(a=NEW), here, access=access, credentials=_as("gnome", tmp_path)
    ) as lab:
        assert await _seen(lab) == seen


async def test_a_story_that_another_project_handled_is_not_known(tmp_path: Path) -> None:
    access = access_for(known("sdk", ["read"], ["q"]))
    async with operated(
        tmp_path, FakeEngine(a=NEW), ["p", "q"], access=access, credentials=_as("sdk", tmp_path)
    ) as lab:
        await lab.pushed("h/1")
        await until_rows(lambda: lab.service.rows("SELECT * FROM jobs"), [])
        told = []
        for delivery in ("h/1", "h/2"):
            with pytest.raises(Exception, match="nobody who answered knows it") as unknown:
                await lab.operations.story(delivery)
            told.append(str(unknown.value).replace(delivery, "X"))
        assert told[0] == told[1]
        assert {each.project for each in (await lab.operations.state()).projects} == set()
        with pytest.raises(NotFound):
            await lab.operations.explain("p", "a.bst")


@pytest.mark.parametrize("scopes", [["read"], ["read", "admin"]])
async def test_replaying_is_for_who_operates_every_project(tmp_path: Path, scopes: list[Scope]) -> None:
    access = access_for(known("gnome", scopes, ["p"]))
    async with operated(
        tmp_path, FakeEngine(a=NEW), ["p", "q"], access=access, credentials=_as("gnome", tmp_path)
    ) as lab:
        await _seen(lab)
        with pytest.raises(Denied, match="'admin' with every project"):
            await lab.operations.replay("h/1")
        assert lab.kept.replayed == []


async def test_what_is_paused_names_who_did(tmp_path: Path) -> None:
    access = access_for(known("operator"))
    async with operated(
        tmp_path, FakeEngine(a=NEW), access=access, credentials=_as("operator", tmp_path)
    ) as lab:
        assert await lab.operations.pause() == ("p",)
        (project,) = (await lab.operations.state()).projects
        assert project.paused is not None
        assert project.paused.by.startswith("operator at ipv4:127.0.0.1:")
