"""Gitea and Forgejo: the shapes that their documentation names and the corpus does not hold."""

import pytest

from hookfetch.core.errors import Rejected
from hookfetch.core.events import BranchDeleted, BranchPushed, Pinged, ReleasePublished, TagDeleted, TagPushed
from hookfetch.core.ports import Forge
from tests.forges.corpus import FORGES, NEW, NULL, OLD, parse

BRANDS = pytest.mark.parametrize(
    ("forge", "brand"), [(FORGES[brand], brand) for brand in ("gitea", "forgejo", "gogs")]
)
REPOSITORY = {
    "html_url": "https://forge.example.org/o/r",
    "clone_url": "https://forge.example.org/o/r.git",
    "ssh_url": "ssh://git@forge.example.org:2222/o/r.git",
    "url": "https://forge.example.org/api/v1/repos/o/r",
    "original_url": "https://github.com/upstream/r",
}
PUSH = {
    "ref": "refs/heads/main",
    "before": OLD,
    "after": NEW,
    "head_commit": {"id": NEW},
    "repository": REPOSITORY,
    "sender": {"login": "ada"},
}


def refused_for(forge: Forge, headers: dict[str, str], payload: object) -> str:
    with pytest.raises(Rejected) as refusal:
        parse(forge, headers, payload)
    return refusal.value.code


@BRANDS
def test_a_push_names_repository_ref_and_commits(forge: Forge, brand: str) -> None:
    (fact,) = parse(forge, {f"x-{brand}-event": "push"}, PUSH)
    assert isinstance(fact, BranchPushed)
    assert (fact.ref, fact.before, fact.after, fact.target) == ("refs/heads/main", OLD, NEW, NEW)
    assert fact.repositories == ("forge.example.org/o/r",)
    assert fact.urls == (REPOSITORY["html_url"], REPOSITORY["clone_url"], REPOSITORY["ssh_url"])


@BRANDS
def test_a_push_that_deletes_is_a_deletion(forge: Forge, brand: str) -> None:
    headers = {f"x-{brand}-event": "push"}
    for null in (NULL, "0" * 64):
        (branch,) = parse(forge, headers, PUSH | {"after": null, "head_commit": None})
        (tag,) = parse(forge, headers, PUSH | {"after": null, "ref": "refs/tags/v1", "head_commit": None})
        assert isinstance(branch, BranchDeleted)
        assert isinstance(tag, TagDeleted)


@BRANDS
def test_the_test_button_s_push_is_a_ping(forge: Forge, brand: str) -> None:
    (fact,) = parse(forge, {f"x-{brand}-event": "push"}, PUSH | {"before": NEW})
    assert isinstance(fact, Pinged)


@BRANDS
def test_creating_builds_the_full_ref_and_keeps_the_object(forge: Forge, brand: str) -> None:
    headers = {f"x-{brand}-event": "create"}
    created = {"sha": NEW, "ref": "v1", "ref_type": "tag", "repository": REPOSITORY}
    for ref in ("v1", "refs/tags/v1"):
        (fact,) = parse(forge, headers, created | {"ref": ref})
        assert isinstance(fact, TagPushed)
        assert (fact.ref, fact.before, fact.after, fact.target) == ("refs/tags/v1", None, NEW, None)
    (branch,) = parse(forge, headers, created | {"ref": "topic/v1", "ref_type": "branch"})
    assert isinstance(branch, BranchPushed)
    assert branch.ref == "refs/heads/topic/v1"
    assert refused_for(forge, headers, created | {"ref_type": "repository"}) == "forge"


@BRANDS
def test_a_release_without_an_action_is_still_a_release(forge: Forge, brand: str) -> None:
    release = {"tag_name": "1.0", "draft": True, "prerelease": True}
    (fact,) = parse(forge, {f"x-{brand}-event": "release"}, {"release": release, "repository": REPOSITORY})
    assert isinstance(fact, ReleasePublished)
    assert (fact.action, fact.draft, fact.prerelease) == (None, True, True)


@BRANDS
def test_a_user_may_be_named_by_the_older_field(forge: Forge, brand: str) -> None:
    (fact,) = parse(forge, {f"x-{brand}-event": "push"}, PUSH | {"sender": {"login": "", "username": "eve"}})
    assert fact.sender == "eve"


@BRANDS
@pytest.mark.parametrize("key", ["ref", "after", "repository"])
def test_a_push_without_a_mandatory_field_is_refused(forge: Forge, brand: str, key: str) -> None:
    headers = {f"x-{brand}-event": "push"}
    assert (
        refused_for(forge, headers, {name: value for name, value in PUSH.items() if name != key}) == "forge"
    )
    assert refused_for(forge, headers, PUSH | {key: None}) == "forge"
    assert refused_for(forge, headers, PUSH | {key: {}}) == "forge"


@BRANDS
@pytest.mark.parametrize("name", ["issues", "fork", "wiki", "action_run_success", "from_next_year"])
def test_an_event_that_moves_no_ref_gives_nothing(forge: Forge, brand: str, name: str) -> None:
    assert parse(forge, {f"x-{brand}-event": name}, {}) == []


def test_each_brand_reads_its_own_headers() -> None:
    for brand in ("gitea", "forgejo", "gogs"):
        others = {f"x-{other}-event": "push" for other in ("github", "gitea", "forgejo", "gogs")}
        del others[f"x-{brand}-event"]
        assert refused_for(FORGES[brand], others, PUSH) == "forge"
    assert FORGES["gitea"].delivery_id({"x-gitea-delivery": "1", "x-forgejo-delivery": "2"}, b"{}") == "1"
    assert FORGES["forgejo"].delivery_id({"x-gitea-delivery": "1", "x-forgejo-delivery": "2"}, b"{}") == "2"
