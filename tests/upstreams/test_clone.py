"""hookfetch's own clone of a project's repository, with the real git."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from hookfetch.config import ProjectConfig, UpstreamConfig
from hookfetch.core.errors import Permanent, Temporary
from hookfetch.demo.repositories import create_repository
from hookfetch.demo.upstreams import UpstreamServer
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.clone import Clone, identity_of
from tests.upstreams.serving import Log, git_server


async def test_the_newest_commit_of_a_branch_is_fetched_and_no_other_branch_is(tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "served", "project")
    first = repository.commit({"project.conf": "name: one"}, "one")
    wip = repository.commit({"secret": "wip"}, "wip", branch="wip")
    with UpstreamServer(tmp_path / "served") as server:
        clone = Clone(repository.url(server.url), tmp_path / "clones", Accounts(()))
        assert await clone.newest("main") == first
        second = repository.commit({"project.conf": "name: two"}, "two")
        assert await asyncio.gather(clone.newest("main"), clone.newest("main")) == [second, second]
        with pytest.raises(Temporary, match="has no"):
            await clone._commit(f"{wip}^{{commit}}")  # noqa: SLF001 (what must not be there)


async def test_a_branch_that_was_rewound_is_where_it_is_now(tmp_path: Path) -> None:
    repository = create_repository(tmp_path, "project")
    first = repository.commit({"a": "1"}, "one")
    second = repository.commit({"a": "2"}, "two")
    clone = Clone(str(repository.path), tmp_path / "clones", Accounts(()))
    assert await clone.newest("main") == second
    repository.point("refs/heads/main", first)
    assert await clone.newest("main") == first
    await clone.require(second, "main")  # a job of the load before is still served


async def test_what_cannot_be_fetched_says_where_and_why(tmp_path: Path) -> None:
    repository = create_repository(tmp_path, "project")
    repository.commit({"a": "1"}, "one")
    clone = Clone(str(repository.path), tmp_path / "clones", Accounts(()))
    with pytest.raises(Temporary, match=r"project\.git cannot be fetched: git fetch: .*stable"):
        await clone.newest("stable")
    with pytest.raises(Temporary, match="has no"):
        await clone.require("1" * 40, "main")
    gone = Clone(str(tmp_path / "gone"), tmp_path / "clones", Accounts(()))
    with pytest.raises(Temporary, match="gone cannot be fetched"):
        await gone.newest("main")


async def test_the_host_s_account_is_sent_and_stands_in_no_command_line(tmp_path: Path) -> None:
    create_repository(tmp_path / "served", "project").commit({"a": "1"}, "one")
    password = tmp_path / "password"
    password.write_text("s3cret")
    password.chmod(0o600)
    async with git_server(tmp_path / "served", Log(), account=("bot", "s3cret")) as url:
        host = url.partition("//")[2]
        accounts = Accounts([UpstreamConfig(host=host, user="bot", password_file=password)])
        clone = Clone(f"{url}/project.git", tmp_path / "clones", accounts)
        assert len(await clone.newest("main")) == 40
        assert "s3cret" not in (clone.directory / "config").read_text()
        with pytest.raises(Temporary, match="cannot be fetched"):
            await Clone(f"{url}/project.git", tmp_path / "others", Accounts(())).newest("main")


def test_a_repository_is_known_by_what_forges_call_it_and_a_path_by_this_machine() -> None:
    assert identity_of("https://gitlab.gnome.org/GNOME/gnome-build-meta.git") == (
        identity_of("git@gitlab.gnome.org:GNOME/gnome-build-meta.git")
    )
    assert identity_of("/srv/git/project.git") == "localhost/srv/git/project"
    with pytest.raises(Permanent, match="names no repository"):
        identity_of("ftp://host/x")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({}, "needs either"),
        ({"path": "/p", "repository": "/r", "branches": ["main"]}, "needs either"),
        ({"repository": "/r"}, "belong together"),
        ({"path": "/p", "branches": ["main"]}, "belong together"),
        ({"repository": "/r", "branches": ["main", "main"]}, "named twice"),
        ({"repository": "/r", "branches": ["-x"]}, "pattern"),
        ({"repository": "/r", "branches": ["a//b"]}, "pattern"),
        ({"repository": "--upload-pack=x", "branches": ["main"]}, "pattern"),
        ({"repository": "ext::sh -c x", "branches": ["main"]}, "pattern"),
        ({"repository": "ext::x", "branches": ["main"]}, "remote helpers"),
    ],
)
def test_a_project_is_in_one_place(keys: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ProjectConfig.model_validate({"name": "p", **keys})


def test_each_branch_is_a_project_of_its_own() -> None:
    project = ProjectConfig(name="p", repository="/r", branches=("main", "wip/new"))
    assert [(each.name, each.branches) for each in project.each_branch()] == [
        ("p@main", ("main",)),
        ("p@wip%2Fnew", ("wip/new",)),
    ]
