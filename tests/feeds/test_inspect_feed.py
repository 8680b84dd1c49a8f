"""`hookfetch inspect feed`: one line in, one line out, whatever the line holds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hookfetch.inspection.feeds import inspect_feeds
from tests.feeds import corpus

TAGS = [{"name": "v1.0"}, {"name": "v1.10"}, {"name": "v2.0-rc1"}, {"name": "nightly"}]


def asked(**request: object) -> dict[str, Any]:
    (answer,) = inspect_feeds([json.dumps({"id": "1"} | request)])
    assert "\n" not in answer
    return json.loads(answer)  # type: ignore[no-any-return]


@pytest.fixture
def tags(tmp_path: Path) -> str:
    file = tmp_path / "tags.json"
    file.write_text(json.dumps(TAGS))
    return str(file)


def test_releases_are_told_as_the_document_says_and_the_latest_as_an_element_would_take_it(tags: str) -> None:
    answer = asked(kind="github_api_tags", file=tags, content_type="application/json", url=None)
    assert answer["releases"][0] == {
        "version": "1.0",
        "tag": "v1.0",
        "prerelease": None,
        "yanked": False,
        "published": None,
        "urls": [],
    }
    assert [release["version"] for release in answer["releases"]] == ["1.0", "1.10", "2.0-rc1", None]
    assert {key: answer[key] for key in ("id", "outcome", "reason", "latest")} == {
        "id": "1",
        "outcome": "ok",
        "reason": None,
        "latest": "1.10",
    }


def test_times_are_in_utc(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"tag_name": "v1", "released_at": "2024-05-01T14:00:00.000+02:00"}]')
    answer = asked(kind="gitlab_api_releases", file=str(file))
    assert answer["releases"][0]["published"] == "2024-05-01T12:00:00Z"


def test_of_several_things_the_one_in_the_address_has_a_latest(tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text("<a href='foo-1.0.zip'>a</a><a href='libfoo-2.0.zip'>b</a>")
    assert asked(kind="html_index", file=str(file))["latest"] is None
    answer = asked(kind="html_index", file=str(file), url="https://example.org/pub/Foo/")
    assert answer["latest"] == "1.0"
    assert answer["releases"][0]["urls"] == ["https://example.org/pub/Foo/foo-1.0.zip"]


def test_a_watch_file_is_answered_with_where_it_looks(tmp_path: Path) -> None:
    file = tmp_path / "watch"
    file.write_text("version=4\nhttps://example.org/foo-(.*).tar.gz\n")
    answer = asked(kind="debian_watch", file=str(file))
    assert (answer["outcome"], answer["releases"], answer["latest"]) == ("ok", [], None)
    assert answer["lookups"] == [{"url": "https://example.org/", "pattern": "foo-(.*).tar.gz"}]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"kind": "gopher", "file": "."}, "file is not a file"),
        ({"kind": 1, "file": "x"}, "kind and file are texts"),
        ({"kind": "npm", "file": "x", "url": 1}, "content_type and url are texts or null"),
        ({"kind": "npm", "file": "\0"}, "file"),
        ({"kind": "npm", "file": os.devnull}, "file is not a file"),
    ],
)
def test_a_line_that_cannot_be_judged_is_answered(request_: dict[str, object], reason: str) -> None:
    answer = asked(**request_)
    assert answer["outcome"] == "error"
    assert reason in answer["reason"]


@pytest.mark.parametrize("line", ["", "[]", "{", "1", "[" * 100_000])
def test_a_line_that_is_none_is_answered_too(line: str) -> None:
    (answer,) = inspect_feeds([line])
    assert json.loads(answer)["outcome"] == "error"


def test_the_command_answers_each_line_of_the_corpus() -> None:
    cases = corpus.expected()
    lines = [
        json.dumps({"id": case["file"], "kind": case["kind"], "file": str(corpus.CORPUS / case["file"])})
        for case in cases
    ]
    command = [sys.executable, "-m", "hookfetch", "inspect", "feed"]
    done = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, check=True, timeout=60
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [case["file"] for case in cases]
    assert {answer["outcome"] for answer in answers} == {"ok", "error"}
    assert not done.stderr
