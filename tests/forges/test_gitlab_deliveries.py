"""GitLab: the shapes that its documentation names and the corpus does not hold."""

import pytest

from hookfetch.core.errors import Rejected
from hookfetch.core.events import (
    BranchDeleted,
    BranchPushed,
    ReleasePublished,
    RepositoryMoved,
    TagDeleted,
    TagPushed,
)
from tests.forges.corpus import FORGES, NEW, NULL, OLD, parse

FORGE = FORGES["gitlab"]

PROJECT = {
    "web_url": "https://gitlab.example.com/g/s/p",
    "git_http_url": "https://gitlab.example.com/g/s/p.git",
    "git_ssh_url": "git@gitlab.example.com:g/s/p.git",
    "avatar_url": "https://gitlab.example.com/uploads/x.png",
}
PUSH = {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "before": OLD,
    "after": NEW,
    "checkout_sha": NEW,
    "user_name": "Ada",
    "user_username": "ada",
    "project": PROJECT,
}
RENAME = {
    "event_name": "project_rename",
    "path_with_namespace": "g/new",
    "old_path_with_namespace": "g/old",
}


def refused_for(payload: object) -> str:
    with pytest.raises(Rejected) as refusal:
        parse(FORGE, {}, payload)
    return refusal.value.code


def test_a_push_names_repository_ref_and_commits() -> None:
    (fact,) = parse(FORGE, {}, PUSH)
    assert isinstance(fact, BranchPushed)
    assert (fact.ref, fact.before, fact.after, fact.target) == ("refs/heads/main", OLD, NEW, NEW)
    assert (fact.forced, fact.sender) == (None, "ada")
    assert fact.repositories == ("gitlab.example.com/g/s/p",)


def test_deletions_have_a_null_object() -> None:
    gone = PUSH | {"after": NULL, "checkout_sha": None}
    (branch,) = parse(FORGE, {}, gone)
    (tag,) = parse(FORGE, {}, gone | {"object_kind": "tag_push", "ref": "refs/tags/v1"})
    assert isinstance(branch, BranchDeleted)
    assert isinstance(tag, TagDeleted)


def test_an_annotated_tag_targets_its_commit() -> None:
    tag = PUSH | {"object_kind": "tag_push", "ref": "refs/tags/v1", "checkout_sha": OLD}
    (fact,) = parse(FORGE, {}, tag)
    assert isinstance(fact, TagPushed)
    assert (fact.after, fact.target) == (NEW, OLD)


def test_the_payload_says_what_happened_whatever_the_header_says() -> None:
    (fact,) = parse(FORGE, {"x-gitlab-event": "Issue Hook"}, PUSH)
    assert isinstance(fact, BranchPushed)
    assert parse(FORGE, {"x-gitlab-event": "Push Hook"}, PUSH | {"object_kind": "issue"}) == []


def test_an_update_of_many_refs_gives_one_fact_each_with_the_place_in_the_payload() -> None:
    payload = {
        "event_name": "repository_update",
        "user_name": "Ada",
        "project": PROJECT,
        "changes": [
            {"ref": "refs/heads/main", "before": OLD, "after": NEW},
            {"ref": "refs/merge-requests/1/head", "before": OLD, "after": NEW},
            {"ref": "refs/tags/v1", "before": NULL, "after": NEW},
            {"ref": "refs/heads/gone", "before": OLD, "after": NULL},
        ],
        "refs": [],
    }
    facts = parse(FORGE, {}, payload)
    assert [(fact.type, fact.id) for fact in facts] == [
        ("branch_pushed", "hook/1#0"),
        ("tag_pushed", "hook/1#2"),
        ("branch_deleted", "hook/1#3"),
    ]
    assert {fact.sender for fact in facts} == {"Ada"}
    assert parse(FORGE, {}, payload | {"changes": []}) == []


@pytest.mark.parametrize(
    "changes", [None, {}, "x", [None], [{}], [{"ref": "refs/heads/x"}], [{"after": NEW}]]
)
def test_an_update_of_another_shape_is_refused(changes: object) -> None:
    assert refused_for({"event_name": "repository_update", "project": PROJECT, "changes": changes}) == "forge"


@pytest.mark.parametrize(
    ("instance", "host"),
    [("https://gitlab.example.com", "gitlab.example.com"), ("http://h:8080/git", "h:8080/git")],
)
def test_a_renamed_project_has_both_names_on_its_instance(instance: str, host: str) -> None:
    (fact,) = parse(FORGE, {"x-gitlab-instance": instance}, RENAME)
    assert isinstance(fact, RepositoryMoved)
    assert fact.repositories == (f"{host}/g/new", f"{host}/g/old")
    assert (fact.urls, fact.action) == ((), "project_rename")


@pytest.mark.parametrize("headers", [{}, {"x-gitlab-instance": ""}, {"x-gitlab-instance": "\udcff"}])
def test_a_renamed_project_on_an_unnamed_instance_has_no_identity(headers: dict[str, str]) -> None:
    (fact,) = parse(FORGE, headers, RENAME)
    assert fact.repositories == ()


def test_a_project_event_without_a_path_is_refused() -> None:
    assert refused_for({"event_name": "project_create"}) == "forge"


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_a_release_carries_action_tag_and_version(action: str) -> None:
    (fact,) = parse(
        FORGE, {}, {"object_kind": "release", "action": action, "tag": "v1.2", "project": PROJECT}
    )
    assert isinstance(fact, ReleasePublished)
    assert (fact.action, fact.tag, fact.version, fact.prerelease) == (action, "v1.2", "1.2", None)
    assert fact.sender is None


def test_a_release_without_a_tag_is_refused() -> None:
    assert refused_for({"object_kind": "release", "project": PROJECT}) == "forge"


@pytest.mark.parametrize("key", ["ref", "after", "project"])
def test_a_push_without_a_mandatory_field_is_refused(key: str) -> None:
    assert refused_for({name: value for name, value in PUSH.items() if name != key}) == "forge"
    assert refused_for(PUSH | {key: None}) == "forge"


def test_the_repository_section_of_older_payloads_is_enough() -> None:
    repository = {"homepage": "http://h/g/p", "url": "ssh://git@h:2222/g/p.git", "git_http_url": None}
    (fact,) = parse(FORGE, {}, {**PUSH, "project": None, "repository": repository})
    assert fact.repositories == ("h/g/p",)
    assert fact.urls == ("http://h/g/p", "ssh://git@h:2222/g/p.git")


@pytest.mark.parametrize(
    "kind", ["issue", "note", "merge_request", "pipeline", "group_rename", "from_next_year"]
)
def test_an_event_that_moves_no_ref_gives_nothing(kind: str) -> None:
    assert parse(FORGE, {}, {"object_kind": kind}) == []
    assert parse(FORGE, {}, {"event_name": kind}) == []


def test_a_payload_that_names_no_event_is_refused() -> None:
    for payload in ({}, {"object_kind": None}, {"object_kind": ["push"]}, {"zen": "…"}):
        assert refused_for(payload) == "forge"


def test_a_retry_keeps_its_id_and_the_hook_s_own_is_none() -> None:
    assert FORGE.delivery_id({"idempotency-key": "k"}, b"{}") == "k"
    assert FORGE.delivery_id({"webhook-id": "w", "idempotency-key": "k"}, b"{}") == "w"
    assert FORGE.delivery_id({"webhook-id": "", "idempotency-key": "k"}, b"{}") == "k"
    assert FORGE.delivery_id({"x-gitlab-webhook-uuid": "h"}, b"{}") is None
