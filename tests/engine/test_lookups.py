"""What git_tag's plugin is told without git is what git would have told it."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pygit2
import pytest

from hookfetch.engine.lookups import answer_tracking
from tests.engine.lab import Bench
from tests.engine.shapes import Shaped, file

URL = "http://127.0.0.1:9/it.git"


class Asking:
    """A source whose plugin asks git; what reaches git is noted."""

    def __init__(self, tracking: str, *more: str) -> None:
        self.host_git = "git"
        self.tracking = tracking
        self.track_extra = list(more)
        self.asked: list[list[str]] = []

    def _Source__clone_for_uri(self, address: str) -> "Asking":  # noqa: N802 - as BuildStream names it
        return Asking(self.tracking, *self.track_extra)

    def call(self, args: Sequence[str], **options: Any) -> int:
        return self.check_output(args, **options)[0]

    def check_output(self, args: Sequence[str], *, cwd: str, **options: Any) -> tuple[int, str]:
        self.asked.append(list(args[1:]))
        done = subprocess.run(
            args, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        )
        assert not (done.returncode and options.get("fail"))
        return done.returncode, done.stdout


@pytest.fixture
def upstream(tmp_path: Path) -> Shaped:
    upstream = Shaped(tmp_path / "it.git")
    first = upstream.commit({"a": file(b"1")})
    upstream.tag("v1", first, annotated=True)
    upstream.commit({"a": file(b"2")}, first)
    upstream.commit({"a": file(b"3")}, first, ref="refs/heads/topic/x")
    upstream.tag("both", upstream.commit({"a": file(b"4")}, first, ref="refs/heads/both"))
    upstream.commit({"a": file(b"5")}, first, ref=f"refs/heads/{first}")
    return upstream


def questions(upstream: Shaped, name: str) -> list[list[str]]:
    """Return what the plugin asks in turn of a branch that it tracks."""
    commit = str(upstream.repository.revparse_single(name).peel(pygit2.Commit).id)
    return [
        ["rev-parse", name],
        ["rev-list", "-n", "1", name],
        ["describe", "--tags", "--abbrev=40", "--long", commit],
        ["show", "-s", "--format=%ct", f"v1-1-g{commit}"],
        ["show", "-s", "--format=%ct", commit],
    ]


@pytest.mark.parametrize("name", ["main", "topic/x"])
def test_a_branch_is_looked_up_without_git(name: str, upstream: Shaped, tmp_path: Path) -> None:
    plain, told = Asking(name), Asking(name)
    answer_tracking(told, tmp_path / "it.git", URL)
    for question in questions(upstream, name):
        args, place = ["git", *question], str(tmp_path / "it.git")
        expected = plain.check_output(args, cwd=place, fail="")
        assert told.check_output(args, cwd=place, fail="") == expected
        assert told.call(args, cwd=place) == expected[0]
    assert told.call(["git", "fetch", "--prune", URL, "--tags", "--force"], cwd=place, fail="x") == 0
    everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    assert told.call(["git", "fetch", "--prune", URL, *everything], cwd=place, fail_temporarily=True) == 0
    assert told.asked == []


@pytest.mark.parametrize(
    "name", ["both", "v1", "HEAD", "FETCH_HEAD", "main~1", "gone", "-x", "refs/heads/main"]
)
def test_what_may_be_no_branch_is_left_to_git_with_the_fetch_before_it(
    name: str, upstream: Shaped, tmp_path: Path
) -> None:
    for told in (Asking(name), Asking("main", name)):
        answer_tracking(told, tmp_path / "it.git", URL)
        place = str(tmp_path / "it.git")
        args = ["rev-parse", "main"]
        told.check_output(["git", *args], cwd=place)
        assert told.call(["git", "fetch", "--prune", URL, "--tags", "--force"], cwd=place) != 0
        assert told.asked[0] == args


def test_a_branch_named_as_a_commit_is_left_to_git(upstream: Shaped, tmp_path: Path) -> None:
    name = str(upstream.repository.revparse_single("v1").peel(pygit2.Commit).id)
    told = Asking(name)
    answer_tracking(told, tmp_path / "it.git", URL)
    assert told.check_output(["git", "rev-parse", name], cwd=str(tmp_path / "it.git")) == (0, f"{name}\n")
    assert told.asked


def test_other_questions_and_other_places_are_gits(upstream: Shaped, tmp_path: Path) -> None:
    told = Asking("main", "topic/x")
    place = str(tmp_path / "it.git")
    answer_tracking(told, tmp_path / "it.git", URL)
    commit = str(upstream.repository.revparse_single("main").id)
    others = [
        ["describe", "--tags", "--abbrev=40", "--long", "--match=v*", commit],
        ["describe", "--tags", "--abbrev=0", "main"],
        ["show", "-s", "--format=%ct", commit],  # here the time decides
        ["cat-file", "-t", commit],
    ]
    for other in others:
        assert told.check_output(["git", *other], cwd=place) == Asking("main").check_output(
            ["git", *other], cwd=place
        )
    assert told.asked == others
    told.check_output(["git", "rev-parse", "main"], cwd=str(tmp_path))
    assert told.asked[-1] == ["rev-parse", "main"]


@pytest.mark.engine
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("source", "git"),
    [
        ({"track": "main"}, []),
        ({"track": "main", "match": ["v*"]}, ["describe"]),
        ({"track": "main", "track-extra": ["topic"]}, ["show", "show"]),
        ({"track": "main", "track-tags": True}, ["describe", "describe"]),
    ],
    ids=["branch", "match", "extra", "tags"],
)
async def test_the_plugin_tracks_with_as_few_processes_as_can_be(
    source: dict[str, object], git: list[str], bench: Bench, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    upstream = Shaped(bench.lab.upstreams / f"{name}.git")
    first = upstream.commit({"a": file(name.encode())})
    upstream.tag("v1", first, annotated=True)
    second = upstream.commit({"b": file(name.encode())}, first)
    upstream.commit({"c": file(name.encode())}, first, ref="refs/heads/topic")
    bench.lab.element("it.bst", {"kind": "git_tag", "url": f"up:{name}.git", **source})

    done = await bench.run("it.bst")

    assert done.cached
    newest = first if "track-tags" in source else second
    assert done.refs[0].ref in (f"v1-1-g{newest}", f"v1-0-g{newest}")
    log = (bench.lab.root / "state/engine/lab/0/job.log").read_text()
    assert re.findall(r"(?m)^Running host command .*?: \S+ (\S+)", log) == git
