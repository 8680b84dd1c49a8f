"""Mirrors are cloned and fetched from as from any git server, and nothing else is done with them."""

import gzip
from pathlib import Path

import aiohttp
import pytest

from hookfetch.demo.repositories import Repository, create_repository
from tests.server.originals.serving import client_git, git, serving

UPSTREAM = "https://git.example.org/group/thing.git"
PLACE = "git/https/git.example.org/group/thing"
REQUEST = {"Content-Type": "application/x-git-upload-pack-request"}
LS_REFS = b"0014command=ls-refs\n0000"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = create_repository(tmp_path, "thing")
    for number in range(4):
        made.commit({"README": f"{number}\n", f"file{number}": "x" * 5000}, f"commit {number}")
    made.tag("v1", message="one")
    made.commit({"README": "other\n"}, "beside", branch="next/one")
    return made


def refs(path: Path, *patterns: str) -> list[str]:
    return git(
        "-C", str(path), "for-each-ref", "--format=%(refname) %(objectname)", *patterns
    ).stdout.splitlines()


@pytest.mark.parametrize("version", ["0", "1", "2"])
@pytest.mark.parametrize("name", ["thing", "thing.git", "thing.git/"])
async def test_a_mirror_is_cloned_whole_in_every_version_of_the_protocol(
    tmp_path: Path, repository: Repository, version: str, name: str
) -> None:
    async with serving(tmp_path / "state") as served:
        original = served.mirror(UPSTREAM, repository)
        url = f"{served.url}/git/https/git.example.org/group/{name}"
        await client_git("-c", f"protocol.version={version}", "clone", "--mirror", url, str(tmp_path / "c"))
        assert original.used is not None
    assert refs(tmp_path / "c") == refs(repository.path)
    assert git("-C", str(tmp_path / "c"), "symbolic-ref", "HEAD").stdout == "refs/heads/main\n"
    git("-C", str(tmp_path / "c"), "fsck", "--strict")


async def test_clones_may_be_shallow_and_deepened_and_partial(tmp_path: Path, repository: Repository) -> None:
    shallow, partial = str(tmp_path / "shallow"), str(tmp_path / "partial")
    async with serving(tmp_path / "state") as served:
        served.mirror(UPSTREAM, repository)
        url = f"{served.url}/{PLACE}.git"
        await client_git("clone", "--depth=1", url, shallow)
        count = ("-C", shallow, "rev-list", "--count", "HEAD")
        assert git(*count).stdout == "1\n"
        await client_git("-C", shallow, "fetch", "--deepen=2")
        assert git(*count).stdout == "3\n"

        await client_git("clone", "--filter=blob:none", "--no-checkout", url, partial)
        missing = git("-C", partial, "rev-list", "--objects", "--missing=print", "main").stdout
        assert missing.count("?") == 5
        await client_git("-C", partial, "checkout", "main")
        assert (tmp_path / "partial/README").read_text() == "3\n"


@pytest.mark.parametrize("version", ["0", "2"])
async def test_a_commit_without_a_name_is_fetched_by_its_id_and_what_keeps_it_is_not_shown(
    tmp_path: Path, repository: Repository, version: str
) -> None:
    rewritten = repository.commit({"README": "gone\n"}, "rewritten", branch="wip")
    client = str(tmp_path / "client")
    async with serving(tmp_path / "state") as served:
        mirror = served.mirror(UPSTREAM, repository).content
        git("-C", str(mirror), "update-ref", "refs/hookfetch/1", rewritten)
        git("-C", str(mirror), "update-ref", "-d", "refs/heads/wip")
        git("init", "--quiet", client)
        url = f"{served.url}/{PLACE}"
        shown = await client_git("ls-remote", url)
        assert "hookfetch" not in shown.stdout
        assert rewritten not in shown.stdout
        await client_git(
            "-C", client, "-c", f"protocol.version={version}", "fetch", "--depth=1", url, rewritten
        )
    assert git("-C", client, "show", "FETCH_HEAD:README").stdout == "gone\n"


@pytest.mark.parametrize("version", ["0", "2"])
async def test_a_commit_that_is_not_there_is_refused_in_gits_own_words(
    tmp_path: Path, repository: Repository, version: str
) -> None:
    client = str(tmp_path / "client")
    async with serving(tmp_path / "state") as served:
        served.mirror(UPSTREAM, repository)
        git("init", "--quiet", client)
        command = ("-C", client, "-c", f"protocol.version={version}", "fetch")
        fetched = await client_git(*command, f"{served.url}/{PLACE}", "1" * 40, check=False)
    assert fetched.returncode != 0
    assert f"not our ref {'1' * 40}" in fetched.stderr


async def test_nothing_is_pushed_and_no_file_of_a_mirror_is_given_out(
    tmp_path: Path, repository: Repository
) -> None:
    async with serving(tmp_path / "state") as served, aiohttp.ClientSession() as session:
        mirror = served.mirror(UPSTREAM, repository)
        before = refs(mirror.content)
        url = f"{served.url}/{PLACE}.git"
        pushed = await client_git("-C", str(repository.path), "push", url, "main:stolen", check=False)
        assert pushed.returncode != 0
        statuses = {}
        for path in "info/refs?service=git-receive-pack", "info/refs", "HEAD", "config", "objects/info/packs":
            async with session.get(f"{url}/{path}") as response:
                statuses[path] = response.status
        async with session.post(f"{url}/git-receive-pack", data=b"0000") as response:
            statuses["git-receive-pack"] = response.status
        async with session.get(f"{url}/git-upload-pack") as response:
            statuses["git-upload-pack"] = response.status
        assert refs(mirror.content) == before
    assert statuses == {
        "info/refs?service=git-receive-pack": 403,
        "info/refs": 403,
        "HEAD": 404,
        "config": 404,
        "objects/info/packs": 404,
        "git-receive-pack": 404,
        "git-upload-pack": 405,
    }


async def test_what_is_not_there_or_has_no_branch_yet_is_not_found_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    empty = create_repository(tmp_path, "empty")
    async with serving(state) as served, aiohttp.ClientSession() as session:
        served.mirror("https://git.example.org/empty", empty)
        before = sorted(state.rglob("*"))
        for name in "empty", "unknown":
            url = f"{served.url}/git/https/git.example.org/{name}/info/refs?service=git-upload-pack"
            async with session.get(url) as response:
                assert response.status == 404
        left = [path.name for path in state.rglob("*") if path not in before]
    assert len(left) == 2  # the use of the one that is there, and its lock
    assert "used" in left


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (gzip.compress(LS_REFS), {"Content-Encoding": "gzip"}, 200),
        (gzip.compress(bytes(64 * 1024**2)), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(LS_REFS)[:-4], {"Content-Encoding": "gzip"}, 400),
        (LS_REFS, {"Content-Encoding": "br"}, 415),
        (LS_REFS, {"Content-Type": "text/plain"}, 415),
        (bytes(11 * 1024**2), {}, 413),
    ],
    ids=["packed", "bomb", "cut", "coding", "type", "large"],
)
async def test_bodies_are_bounded_packed_and_unpacked(
    tmp_path: Path, repository: Repository, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with serving(tmp_path / "state") as served, aiohttp.ClientSession() as session:
        served.mirror(UPSTREAM, repository)
        sent = {**REQUEST, "Git-Protocol": "version=2", **headers}
        async with session.post(f"{served.url}/{PLACE}/git-upload-pack", data=body, headers=sent) as response:
            assert response.status == status
            answer = await response.read()
    assert (b"refs/heads/main" in answer) == (status == 200)


async def test_a_version_of_the_protocol_that_is_none_is_passed_over(
    tmp_path: Path, repository: Repository
) -> None:
    async with serving(tmp_path / "state") as served, aiohttp.ClientSession() as session:
        served.mirror(UPSTREAM, repository)
        url = f"{served.url}/{PLACE}/info/refs?service=git-upload-pack"
        async with session.get(url, headers={"Git-Protocol": "version=2;id=$(id)"}) as response:
            assert (await response.read()).startswith(b"001e# service=git-upload-pack\n0000")
            assert response.content_type == "application/x-git-upload-pack-advertisement"
            assert response.headers["Cache-Control"].startswith("no-cache")


async def test_a_damaged_mirror_is_said_to_be_bad_and_not_to_be_empty(
    tmp_path: Path, repository: Repository
) -> None:
    async with serving(tmp_path / "state") as served:
        mirror = served.mirror(UPSTREAM, repository)
        (mirror.content / "HEAD").unlink()
        listed = await client_git("ls-remote", f"{served.url}/{PLACE}", check=False)
    assert listed.returncode != 0
    assert "502" in listed.stderr
