"""GitHub: the shapes that its documentation names and the corpus does not hold."""

import json
from urllib.parse import urlencode

import pytest

from hookfetch.core.errors import Rejected
from hookfetch.core.events import (
    BranchDeleted,
    BranchPushed,
    Pinged,
    ReleasePublished,
    RepositoryMoved,
    TagDeleted,
    TagPushed,
)
from tests.forges.corpus import FORGES, NEW, NULL, OLD, delivery, hex_hmac, parse

FORGE = FORGES["github"]

REPOSITORY = {
    "html_url": "https://github.com/o/r",
    "clone_url": "https://github.com/o/r.git",
    "ssh_url": "git@github.com:o/r.git",
    "git_url": "git://github.com/o/r.git",
    "svn_url": "https://github.com/o/r",
    "url": "https://api.github.com/repos/o/r",
    "mirror_url": "https://elsewhere.example/m.git",
}
PUSH = {
    "ref": "refs/heads/main",
    "before": OLD,
    "after": NEW,
    "created": False,
    "deleted": False,
    "forced": False,
    "head_commit": {"id": NEW},
    "repository": REPOSITORY,
    "sender": {"login": "ada"},
}


def event(name: str) -> dict[str, str]:
    return {"x-github-event": name}


def refused_for(name: str, payload: object) -> str:
    with pytest.raises(Rejected) as refusal:
        parse(FORGE, event(name), payload)
    return refusal.value.code


def test_a_push_names_repository_ref_and_commits() -> None:
    (fact,) = parse(FORGE, event("push"), PUSH)
    assert isinstance(fact, BranchPushed)
    assert (fact.ref, fact.before, fact.after, fact.target) == ("refs/heads/main", OLD, NEW, NEW)
    assert fact.forced is False
    assert fact.repositories == ("github.com/o/r",)
    assert fact.urls == (
        "https://github.com/o/r",
        "https://github.com/o/r.git",
        "git@github.com:o/r.git",
        "git://github.com/o/r.git",
    )


def test_a_forced_push_says_so() -> None:
    (fact,) = parse(FORGE, event("push"), PUSH | {"forced": True})
    assert isinstance(fact, BranchPushed)
    assert fact.forced is True


@pytest.mark.parametrize("null", [NULL, "0" * 64])
def test_a_push_that_deletes_is_a_deletion(null: str) -> None:
    gone = PUSH | {"after": null, "deleted": True, "head_commit": None}
    (branch,) = parse(FORGE, event("push"), gone)
    (tag,) = parse(FORGE, event("push"), gone | {"ref": "refs/tags/v1"})
    assert isinstance(branch, BranchDeleted)
    assert isinstance(tag, TagDeleted)
    assert (tag.before, tag.after) == (OLD, null)


def test_a_push_of_an_annotated_tag_targets_the_commit() -> None:
    (fact,) = parse(FORGE, event("push"), PUSH | {"ref": "refs/tags/v1", "head_commit": {"id": OLD}})
    assert isinstance(fact, TagPushed)
    assert (fact.after, fact.target) == (NEW, OLD)


def test_a_push_in_a_sha256_repository_keeps_its_names() -> None:
    (fact,) = parse(FORGE, event("push"), PUSH | {"before": "a" * 64, "after": "b" * 64})
    assert isinstance(fact, BranchPushed)
    assert (fact.before, fact.after) == ("a" * 64, "b" * 64)


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/a/b/c",
        "refs/heads/ä-🚀",
        "refs/heads/feature#1%20",
        "refs/heads/--upload-pack",
        "refs/heads/refs/heads/x",
    ],
)
def test_an_odd_branch_name_stays_as_sent(ref: str) -> None:
    (fact,) = parse(FORGE, event("push"), PUSH | {"ref": ref})
    assert isinstance(fact, BranchPushed)
    assert fact.ref == ref


@pytest.mark.parametrize("ref", ["refs/notes/commits", "refs/pull/1/head", "refs/changes/01/1/1", "main"])
def test_a_ref_that_is_neither_branch_nor_tag_gives_nothing(ref: str) -> None:
    assert parse(FORGE, event("push"), PUSH | {"ref": ref}) == []


def test_optional_fields_may_be_null_absent_or_of_another_type() -> None:
    sparse = {
        "ref": "refs/heads/main",
        "after": NEW,
        "repository": {"clone_url": "https://github.com/o/r.git"},
    }
    for payload in (
        sparse,
        sparse | {"before": None, "head_commit": None, "sender": None, "forced": None, "deleted": None},
        sparse | {"before": 7, "head_commit": [], "sender": "ada", "forced": "no", "pusher": {"name": ["x"]}},
        sparse | {"sender": {"login": "line\nfeed"}, "head_commit": {"id": "not hexadecimal"}},
    ):
        (fact,) = parse(FORGE, event("push"), payload)
        assert isinstance(fact, BranchPushed)
        assert (fact.before, fact.target, fact.sender, fact.forced) == (None, None, None, None)


def test_the_pusher_is_named_where_there_is_no_sender() -> None:
    (fact,) = parse(FORGE, event("push"), {**PUSH, "sender": None, "pusher": {"name": "bob"}})
    assert fact.sender == "bob"


@pytest.mark.parametrize("key", ["ref", "after", "repository"])
@pytest.mark.parametrize("value", [None, 7, "", [], {}, "\x00", "\ud800", "x" * 5000])
def test_a_push_without_a_mandatory_field_is_refused(key: str, value: object) -> None:
    assert refused_for("push", {name: item for name, item in PUSH.items() if name != key}) == "forge"
    assert refused_for("push", PUSH | {key: value}) == "forge"


@pytest.mark.parametrize("ref", ["refs/heads/", "refs/tags/"])
def test_a_ref_without_a_name_is_refused(ref: str) -> None:
    assert refused_for("push", PUSH | {"ref": ref}) == "forge"


def test_a_repository_without_a_host_is_refused() -> None:
    assert refused_for("push", PUSH | {"repository": {"html_url": "/o/r", "clone_url": ""}}) == "forge"


def test_creating_and_deleting_build_the_full_ref() -> None:
    named = {"ref": "rel/1", "repository": REPOSITORY}
    facts = [
        parse(FORGE, event(name), named | {"ref_type": kind})[0]
        for name in ("create", "delete")
        for kind in ("branch", "tag")
    ]
    assert [type(fact) for fact in facts] == [BranchPushed, TagPushed, BranchDeleted, TagDeleted]
    refs = [getattr(fact, "ref", None) for fact in facts]
    assert refs == ["refs/heads/rel/1", "refs/tags/rel/1"] * 2


def test_a_new_repository_on_an_older_server_is_a_change_of_the_repository() -> None:
    (fact,) = parse(FORGE, event("create"), {"ref": None, "ref_type": "repository", "repository": REPOSITORY})
    assert isinstance(fact, RepositoryMoved)
    assert fact.action == "created"


@pytest.mark.parametrize("kind", [None, "note", 1])
def test_creating_something_unknown_is_refused(kind: object) -> None:
    assert refused_for("create", {"ref": "x", "ref_type": kind, "repository": REPOSITORY}) == "forge"


@pytest.mark.parametrize("action", ["created", "published", "released", "edited", "unpublished", "deleted"])
def test_a_release_carries_action_tag_and_version(action: str) -> None:
    payload = {
        "action": action,
        "release": {"tag_name": "lib/v2.0.0-rc.1", "prerelease": True, "draft": False},
        "repository": REPOSITORY,
    }
    (fact,) = parse(FORGE, event("release"), payload)
    assert isinstance(fact, ReleasePublished)
    assert (fact.action, fact.tag, fact.version) == (action, "lib/v2.0.0-rc.1", "2.0.0-rc.1")
    assert (fact.prerelease, fact.draft) == (True, False)


@pytest.mark.parametrize("release", [None, {}, {"tag_name": None}, {"tag_name": ""}, []])
def test_a_release_without_a_tag_is_refused(release: object) -> None:
    assert (
        refused_for("release", {"action": "published", "release": release, "repository": REPOSITORY})
        == "forge"
    )


def test_a_package_without_a_version_is_still_a_release() -> None:
    payload = {"action": "published", "package": {"package_version": None}, "repository": REPOSITORY}
    (fact,) = parse(FORGE, event("package"), payload)
    assert isinstance(fact, ReleasePublished)
    assert (fact.tag, fact.version) == (None, None)
    assert refused_for("registry_package", {"repository": REPOSITORY}) == "forge"


def test_a_repository_renamed_has_both_names() -> None:
    payload = {
        "action": "renamed",
        "changes": {"repository": {"name": {"from": "Old"}}},
        "repository": REPOSITORY,
    }
    (fact,) = parse(FORGE, event("repository"), payload)
    assert fact.repositories == ("github.com/o/r", "github.com/o/old")
    assert "https://github.com/o/Old" not in fact.urls


def test_a_repository_transferred_from_an_organisation_has_both_names() -> None:
    payload = {
        "action": "transferred",
        "changes": {"owner": {"from": {"organization": {"login": "former"}}}},
        "repository": REPOSITORY,
    }
    (fact,) = parse(FORGE, event("repository"), payload)
    assert fact.repositories == ("github.com/o/r", "github.com/former/r")


def test_an_organisation_s_ping_has_no_repository() -> None:
    (fact,) = parse(
        FORGE, event("ping"), {"zen": "…", "hook": {"type": "Organization"}, "sender": {"login": "a"}}
    )
    assert isinstance(fact, Pinged)
    assert (fact.repositories, fact.sender) == ((), "a")


@pytest.mark.parametrize("name", ["issues", "star", "workflow_run", "an_event_of_next_year", "PUSH", "é"])
def test_an_event_that_moves_no_ref_gives_nothing(name: str) -> None:
    assert parse(FORGE, event(name), {"action": "opened"}) == []
    assert parse(FORGE, event(name), {}) == []


@pytest.mark.parametrize("headers", [{}, {"x-github-event": ""}, {"x-gitlab-event": "Push Hook"}])
def test_a_delivery_without_an_event_name_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Rejected) as refusal:
        parse(FORGE, headers, PUSH)
    assert refusal.value.code == "forge"


@pytest.mark.parametrize("name", ["push", "issues"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"\xff",
        b"payload=",
        b"payload=%ff",
        b"[" * 500_000,
        b'{"a":' * 500_000,
        b"9" * 5000,
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_a_body_that_is_no_object_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        FORGE.parse(delivery(event(name), body))
    assert refusal.value.code == "body"


def test_a_form_is_verified_as_sent_and_read_from_its_field() -> None:
    text = json.dumps(PUSH | {"ref": "refs/heads/a+b & c=ä%"}, ensure_ascii=False)
    body = urlencode({"payload": text}).encode()
    headers = event("push") | {"x-hub-signature-256": f"sha256={hex_hmac('s', body)}"}
    FORGE.verify(headers, body, ["s"], 0.0)
    (fact,) = FORGE.parse(delivery(headers, body))
    assert isinstance(fact, BranchPushed)
    assert fact.ref == "refs/heads/a+b & c=ä%"


def test_a_redelivery_keeps_its_id_and_a_strange_id_is_none() -> None:
    assert FORGE.delivery_id({"x-github-delivery": "72d3162e-cc78"}, b"{}") == "72d3162e-cc78"
    for value in ("", "a b", "é", "x" * 201, "\n"):
        assert FORGE.delivery_id({"x-github-delivery": value}, b"{}") is None
    assert FORGE.delivery_id({}, b"{}") is None
