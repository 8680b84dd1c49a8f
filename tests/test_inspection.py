"""`hookfetch inspect delivery`: one line in, one line out, whatever the line holds."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.demo.deliveries import github_push, gitlab_push
from hookfetch.forges import load_forges
from hookfetch.inspection import deliveries
from hookfetch.inspection.deliveries import inspect_deliveries
from tests.forges.corpus import CASES, CORPUS, NEW, OLD, SIGNING_TOKEN

FORGES = load_forges()
URL = "https://github.com/o/r.git"


def inspect(*requests: object) -> list[dict[str, Any]]:
    lines = [request if isinstance(request, str) else json.dumps(request) for request in requests]
    answers = list(inspect_deliveries(lines, FORGES))
    assert all("\n" not in answer for answer in answers)
    return [json.loads(answer) for answer in answers]


def pushed(
    push: Callable[..., tuple[dict[str, str], bytes]] = github_push, **changes: object
) -> dict[str, Any]:
    secret = str(changes.get("secret", "s"))
    headers, body = push(URL, "refs/heads/main", OLD, NEW, secret, "d-1")
    forge = push.__name__.removesuffix("_push")
    encoded = base64.b64encode(body).decode()
    return {"id": "1", "forge": forge, "secret": "s", "headers": headers, "body_base64": encoded} | changes


def stored() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return a request for each delivery of the corpus, and what is expected of it."""
    return [
        (
            {
                "id": case.name,
                "forge": case.forge,
                "secret": list(case.secrets),
                "headers": case.headers,
                "body_file": str(CORPUS / case.expected["file"]),
            },
            case.expected,
        )
        for case in CASES
    ]


def test_a_push_is_an_event_with_every_field() -> None:
    (answer,) = inspect(pushed())
    (event,) = answer.pop("events")
    assert answer == {"id": "1", "outcome": "event", "code": None, "reason": None}
    assert event == {
        "type": "branch_pushed",
        "id": "inspect/d-1#0",
        "repositories": ["github.com/o/r"],
        "repo_urls": ["https://github.com/o/r", URL, "git@github.com:o/r.git", "git://github.com/o/r.git"],
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "before": OLD,
        "after": NEW,
        "target_commit": NEW,
        "forced": False,
        "release_tag": None,
        "version": None,
        "prerelease": None,
        "draft": None,
        "action": None,
        "sender": "demo",
    }


def test_thousands_of_stored_deliveries_are_answered_in_order() -> None:
    pairs = stored()
    requests = [{**request, "id": index} for index, (request, _) in enumerate(pairs * 12)]
    answers = inspect(*requests)
    assert len(answers) >= 1000
    assert [answer["id"] for answer in answers] == list(range(len(requests)))
    for answer, (_, expected) in zip(answers, pairs * 12, strict=True):
        assert answer["outcome"] == ("event" if expected["expect"] == "event" else "ack"), expected["file"]
        assert answer["reason"] is None or answer["reason"].startswith("nothing in it proves")
        if expected["changes"] and expected["expect"] == "event":
            assert len(answer["events"]) == len(expected["changes"])
        for event in answer["events"]:
            assert event["repo_urls"] == expected["repo_urls"]
            for key in ("ref", "ref_type", "before", "after", "target_commit", "release_tag", "sender"):
                assert event[key] == expected[key], (expected["file"], key)


def test_a_ping_or_an_event_without_content_is_acknowledged() -> None:
    ping = next(request for request, expected in stored() if expected["event"] == "ping")
    (answer, other) = inspect(
        ping, pushed(gitlab_push, body_base64=base64.b64encode(b'{"object_kind":"note"}').decode())
    )
    assert (answer["outcome"], answer["events"]) == ("ack", [])
    assert (other["outcome"], other["events"]) == ("ack", [])


def test_refusals_carry_their_code() -> None:
    def body(content: bytes) -> str:
        return base64.b64encode(content).decode()

    answers = inspect(
        pushed() | {"secret": "other"},
        pushed() | {"secret": None},
        pushed(gitlab_push, secret=SIGNING_TOKEN) | {"now": 1.0},
        pushed(gitlab_push, body_base64=body(b"{")),
        pushed(gitlab_push, body_base64=body(b"{}")),
    )
    assert [answer["code"] for answer in answers] == ["signature", "signature", "timestamp", "body", "forge"]
    assert {answer["outcome"] for answer in answers} == {"rejected"}
    assert all(answer["reason"] and answer["events"] == [] for answer in answers)


def test_the_delivery_s_own_time_counts_unless_now_is_given() -> None:
    request = pushed(gitlab_push, secret=SIGNING_TOKEN)
    sent_at = int(request["headers"]["webhook-timestamp"])
    answers = inspect(
        request, request | {"now": sent_at + 300}, request | {"now": sent_at + 301}, request | {"now": None}
    )
    assert [answer["outcome"] for answer in answers] == ["event", "event", "rejected", "event"]


@pytest.mark.parametrize("timestamp", ["nan", "inf", "1e400", "-1", "soon", ""])
def test_a_time_that_is_none_is_the_forge_s_to_refuse(timestamp: str) -> None:
    request = pushed(gitlab_push, secret=SIGNING_TOKEN)
    headers = {**request["headers"], "webhook-timestamp": timestamp}
    (answer,) = inspect(request | {"headers": headers})
    assert answer["code"] == "signature"


def test_header_names_arrive_in_any_case_and_secrets_in_a_list() -> None:
    request = pushed(secret="s")
    for change in (str.upper, str.lower, str.swapcase):
        headers = {change(name): value for name, value in request["headers"].items()}
        (answer,) = inspect(request | {"headers": headers, "secret": ["old", "s"]})
        assert answer["outcome"] == "event"


def test_a_body_file_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = pushed()
    (tmp_path / "b.json").write_bytes(base64.b64decode(str(request.pop("body_base64"))))
    monkeypatch.chdir(tmp_path)
    (answer,) = inspect(request | {"body_file": "b.json"})
    assert answer["outcome"] == "event"


def test_a_body_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_BODY", 10)
    (tmp_path / "b").write_bytes(b"x" * 11)
    request = pushed()
    del request["body_base64"]
    (answer,) = inspect(request | {"body_file": str(tmp_path / "b")})
    assert answer["code"] == "body"


@pytest.mark.parametrize("name", ["", ".", "/dev/zero", "/no/such/file", "a\x00b", "x" * 5000, "\ud800"])
def test_an_unreadable_body_file_is_refused(name: str) -> None:
    request = pushed()
    del request["body_base64"]
    (answer,) = inspect(request | {"body_file": name})
    assert (answer["outcome"], answer["code"]) == ("rejected", "body")


@pytest.mark.parametrize(
    "body", [{"body_base64": "é"}, {"body_base64": "A"}, {"body_base64": 7}, {}, {"body_file": []}]
)
def test_a_missing_or_broken_body_is_refused(body: dict[str, object]) -> None:
    request = pushed()
    del request["body_base64"]
    (answer,) = inspect(request | body)
    assert answer["code"] == "body"


@pytest.mark.parametrize(
    "line",
    ["", "\n", "{", "[]", "null", "7", '"x"', "nonsense", "[" * 100_000, '{"id": 1e400}', '{"id": [1]}'],
)
def test_a_line_that_is_no_request_is_refused_and_the_next_is_judged(line: str) -> None:
    (answer, following) = inspect(line, pushed())
    assert (answer["outcome"], answer["code"], answer["id"]) == ("rejected", "forge", None)
    assert following["outcome"] == "event"


@pytest.mark.parametrize(
    "change",
    [
        {"forge": "sourceforge"},
        {"forge": None},
        {"forge": ["github"]},
        {"headers": None},
        {"headers": []},
        {"headers": {"x-github-event": 7}},
        {"secret": 7},
        {"secret": ["s", None]},
        {"now": "soon"},
        {"now": True},
        {"now": 10**400},
        {"now": float("inf")},
        {"now": float("nan")},
    ],
    ids=str,
)
def test_a_request_of_another_shape_is_refused_under_its_id(change: dict[str, object]) -> None:
    (answer,) = inspect(pushed() | change)
    assert (answer["id"], answer["outcome"], answer["code"]) == ("1", "rejected", "forge")
    assert answer["reason"]


@settings(max_examples=200, deadline=None)
@given(
    request=st.dictionaries(
        st.sampled_from(["id", "forge", "secret", "headers", "body_base64", "body_file", "now"]),
        st.none() | st.integers() | st.floats() | st.text() | st.sampled_from(sorted(FORGES)) | st.just({}),
    )
)
def test_any_request_is_answered(request: dict[str, object]) -> None:
    (answer,) = inspect(request)
    assert answer["outcome"] == "rejected"
    assert answer["code"] in ("signature", "timestamp", "body", "forge")


def of(prefix: str) -> dict[str, Any]:
    return next(request for request, _ in stored() if str(request["id"]).startswith(prefix))


def test_a_hook_s_options_count_as_they_would_at_the_hook() -> None:
    push = of("bitbucket_server/repo_refs_changed/drone-push.json")
    gerrit = of("gerrit/ref_updated/synth-tag")
    with_header = {"X-Secret": "s"}
    answers = inspect(
        push | {"base_url": "https://git.example.org/"},
        gerrit
        | {"base_url": "https://review.example.org", "header": "X-Secret", "headers": with_header}
        | {"secret": "s"},
        gerrit | {"base_url": "https://review.example.org", "header": "X-Secret"},
    )
    assert answers[0]["events"][0]["repositories"] == [
        "git.example.org/scm/prj/my-repo",
        "git.example.org/prj/my-repo",
    ]
    assert (answers[1]["outcome"], answers[1]["reason"]) == ("event", None)
    assert answers[1]["events"][0]["repositories"][0] == "review.example.org/group/sub/foo"
    assert (answers[2]["outcome"], answers[2]["code"]) == ("rejected", "signature")


@pytest.mark.parametrize(
    "prefix", ["gerrit/ref_updated/synth-tag", "anitya/project_version_update/", "pagure/git_r"]
)
def test_a_message_of_a_bus_is_read_and_its_answer_says_that_nothing_proves_it(prefix: str) -> None:
    (answer,) = inspect(of(prefix))
    assert answer["outcome"] == "event"
    assert "proves" in answer["reason"]
    (signed,) = inspect(
        of(prefix) | {"headers": {"Authorization": "Basic eDp5", "X-Pagure-Signature-256": "0"}}
    )
    assert (signed["outcome"], signed["code"]) == ("rejected", "signature")


@pytest.mark.parametrize(
    "option",
    [{"base_url": 7}, {"header": []}, {"sha1": "yes"}, {"base_url": "https://h"}, {"header": "x"}],
    ids=str,
)
def test_an_option_of_another_shape_or_without_use_is_refused(option: dict[str, object]) -> None:
    (answer,) = inspect(pushed() | option)
    assert (answer["outcome"], answer["code"]) == ("rejected", "forge")
