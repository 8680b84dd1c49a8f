"""The younger forges: what their documentation names and the corpus does not hold."""

import base64
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hookfetch.core.errors import ConfigurationError, Rejected
from hookfetch.core.events import (
    BranchDeleted,
    BranchPushed,
    Pinged,
    RepositoryMoved,
    TagPushed,
    UpstreamFact,
)
from hookfetch.core.ports import Forge, HookOptions
from hookfetch.forges import configured_forge, load_forges
from tests.forges.corpus import FORGES, NEW, NULL, OLD, SIGNING_TOKEN, delivery, parse, standard_headers

NOW = 1719835200.0
BODY = b'{"a":1}'
LEGAL = ("main", "feature/ä-x", "a#b", "a@b", "it's", "$(id)", "-x", "a" * 200)


def configured(name: str, **options: Any) -> Forge:
    return configured_forge(load_forges()[name], HookOptions(**options))


def refused_for(forge: Forge, headers: dict[str, str], secrets: list[str], now: float = NOW) -> str:
    with pytest.raises(Rejected) as refusal:
        forge.verify(headers, BODY, secrets, now)
    return refusal.value.code


def bitbucket(*changes: object, **more: object) -> list[UpstreamFact]:
    payload = {"repository": {"full_name": "o/r"}, "push": {"changes": changes}, **more}
    return parse(FORGES["bitbucket"], {"x-event-key": "repo:push"}, payload)


def cloud_ref(name: str, commit: str, kind: str = "branch") -> dict[str, object]:
    return {"type": kind, "name": name, "target": {"hash": commit}}


def gerrit(name: str, new: str = NEW, base_url: str = "https://review.example.org") -> list[UpstreamFact]:
    update = {"oldRev": OLD, "newRev": new, "refName": name, "project": "a/b c%2F"}
    return parse(configured("gerrit", base_url=base_url), {}, {"type": "ref-updated", "refUpdate": update})


def test_each_change_of_one_bitbucket_push_is_a_fact_that_keeps_its_number() -> None:
    facts = bitbucket(
        {"old": None, "new": cloud_ref("v1", NEW, "tag")},
        {"old": cloud_ref("x", OLD, "bookmark"), "new": None},
        {"old": cloud_ref("gone", OLD), "new": None},
        {"old": cloud_ref("main", OLD), "new": cloud_ref("main", NEW), "forced": True},
    )
    assert [fact.type for fact in facts] == ["tag_pushed", "branch_deleted", "branch_pushed"]
    assert [fact.id for fact in facts] == ["hook/1#0", "hook/1#2", "hook/1#3"]
    tag, gone, main = facts
    assert isinstance(tag, TagPushed)
    assert isinstance(gone, BranchDeleted)
    assert isinstance(main, BranchPushed)
    assert (tag.before, tag.after) == (None, NEW)
    assert (gone.before, gone.after) == (OLD, None)
    assert (main.before, main.after, main.forced) == (OLD, NEW, True)


def test_a_renamed_bitbucket_repository_has_both_names() -> None:
    payload = {
        "repository": {"full_name": "o/new"},
        "changes": {"full_name": {"new": "o/new", "old": "o/old"}},
    }
    (fact,) = parse(FORGES["bitbucket"], {"x-event-key": "repo:updated"}, payload)
    assert isinstance(fact, RepositoryMoved)
    assert fact.repositories == ("bitbucket.org/o/new", "bitbucket.org/o/old")


@pytest.mark.parametrize("name", LEGAL)
def test_a_ref_may_have_any_legal_character(name: str) -> None:
    (cloud,) = bitbucket({"old": None, "new": cloud_ref(name, NEW)})
    (short,) = gerrit(name)
    (full,) = gerrit(f"refs/heads/{name}", new="a" * 64)
    for fact in (cloud, short, full):
        assert isinstance(fact, BranchPushed)
        assert fact.ref == f"refs/heads/{name}"


@pytest.mark.parametrize("name", ["refs/changes/33/33/meta", "refs/meta/config", "refs/users/01/1", "refs/x"])
def test_what_gerrit_keeps_for_itself_is_no_fact(name: str) -> None:
    assert gerrit(name) == []


def test_gerrit_s_projects_are_where_the_configuration_says() -> None:
    (fact,) = gerrit("main", base_url="https://review.example.org/r")
    assert fact.repositories == ("review.example.org/r/a/b c%2f", "review.example.org/r/a/a/b c%2f")
    assert fact.urls == ()


def test_a_batch_of_gerrit_s_is_a_fact_for_each_ref() -> None:
    updates = [
        {"oldRev": OLD, "newRev": new, "refName": name, "project": "p"}
        for name, new in (("refs/heads/a", NEW), ("refs/changes/1", NEW), ("refs/heads/b", NULL))
    ]
    payload = {"type": "batch-ref-updated", "refUpdates": updates}
    facts = parse(configured("gerrit", base_url="https://review.example.org"), {}, payload)
    assert [(fact.id, fact.type) for fact in facts] == [
        ("hook/1#0", "branch_pushed"),
        ("hook/1#2", "branch_deleted"),
    ]


def test_an_older_bitbucket_server_s_repository_has_its_https_and_ssh_names() -> None:
    payload = {
        "eventKey": "repo:refs_changed",
        "repository": {"slug": "r", "project": {"key": "PRJ"}},
        "changes": [{"ref": {"id": "refs/heads/main"}, "fromHash": OLD, "toHash": NEW}],
    }
    forge = configured("bitbucket_server", base_url="https://git.example.org:8443")
    (fact,) = parse(forge, {}, payload)
    assert fact.repositories == ("git.example.org:8443/scm/prj/r", "git.example.org/prj/r")


def test_an_unsigned_test_connection_is_believed_and_nothing_else_that_is_unsigned() -> None:
    forge = FORGES["bitbucket_server"]
    forge.verify({"x-event-key": "diagnostics:ping"}, b'{"test": true}', ["s"], NOW)
    (fact,) = parse(forge, {}, {"test": True})
    assert isinstance(fact, Pinged)
    for body in (b'{"test": true, "a": 1}', b'{"test": true}' + b" " * 64, b"{}", b""):
        with pytest.raises(Rejected):
            forge.verify({"x-event-key": "diagnostics:ping"}, body, ["s"], NOW)
    with pytest.raises(Rejected):  # a signature that is there has to be right
        forge.verify({"x-hub-signature": "sha256=00"}, b'{"test": true}', ["s"], NOW)


@pytest.mark.parametrize("name", ["azure_devops", "gerrit", "anitya"])
def test_a_sender_that_signs_nothing_shows_the_secret_as_password_or_in_the_configured_header(
    name: str,
) -> None:
    def basic(password: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"any:{password}".encode()).decode()}

    plain, with_header = FORGES[name], load_forges()[name](HookOptions(header="x-secret"))
    plain.verify(basic("new:er"), BODY, ["old", "new:er"], NOW)
    with_header.verify({"x-secret": "s"}, BODY, ["old", "s"], NOW)
    for headers in ({}, basic("x"), basic(""), {"authorization": "Bearer s"}, {"authorization": "Basic !"}):
        assert refused_for(plain, headers, ["s", ""]) == "signature"
    assert refused_for(with_header, basic("s"), ["s"]) == "signature"
    assert refused_for(plain, {"x-secret": "s"}, ["s"]) == "signature"


@pytest.mark.parametrize("name", ["github", "pagure"])
def test_sha1_counts_only_where_it_is_configured_and_then_alone(name: str) -> None:
    weak = hmac.digest(b"s", BODY, "sha1").hex()
    strong = hmac.digest(b"s", BODY, "sha256").hex()
    sha1, sha256 = (
        ({"x-hub-signature": f"sha1={weak}"}, {"x-hub-signature-256": f"sha256={strong}"})
        if name == "github"
        else ({"x-pagure-signature": weak}, {"x-pagure-signature-256": strong})
    )
    configured(name, sha1=True).verify(sha1, BODY, ["old", "s"], NOW)
    assert refused_for(FORGES[name], sha1, ["s"]) == "signature"
    assert refused_for(configured(name, sha1=True), sha256, ["s"]) == "signature"


def test_gitee_s_token_is_of_its_time_or_the_password_where_that_is_configured() -> None:
    stamp = str(int(NOW) * 1000)
    token = base64.b64encode(hmac.digest(b"s", f"{stamp}\ns".encode(), "sha256")).decode()
    headers = {"x-gitee-timestamp": stamp, "x-gitee-token": token}
    FORGES["gitee"].verify(headers, BODY, ["old", "s"], NOW + 299)
    assert refused_for(FORGES["gitee"], headers, ["s"], NOW + 301) == "timestamp"
    assert refused_for(FORGES["gitee"], headers | {"x-gitee-timestamp": "1"}, ["s"]) == "signature"
    assert refused_for(FORGES["gitee"], {"x-gitee-token": "s"}, ["s"]) == "signature"
    configured("gitee", header="x-gitee-token").verify({"x-gitee-token": "s"}, BODY, ["s"], NOW)


def test_a_public_key_verifies_v1a_and_a_shared_secret_v1_in_one_list() -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    key = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW)))
    signed = f"m1.{int(NOW)}.".encode() + BODY
    v1a = "v1a," + base64.b64encode(private.sign(signed)).decode()
    both = headers | {"webhook-signature": f"v2,x {v1a} {headers['webhook-signature']}"}
    only = headers | {"webhook-signature": v1a}
    forge = FORGES["standard_webhooks"]
    for secrets in ([key], [SIGNING_TOKEN], ["whpk_AAAA", key]):
        forge.verify(both, BODY, secrets, NOW)
    forge.verify(only, BODY, [key], NOW)
    assert refused_for(forge, only, [SIGNING_TOKEN]) == "signature"
    assert refused_for(forge, headers, [key]) == "signature"
    assert refused_for(forge, only, [key], NOW + 301) == "timestamp"
    for broken in ("whpk_", "whpk_!", "whpk_é", key[:-4]):
        assert refused_for(forge, only, [broken]) == "signature"


def test_a_long_list_of_signatures_is_looked_at_in_part() -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW)))
    listed = "v1,A " * 20 + headers["webhook-signature"]
    refused = refused_for(
        FORGES["standard_webhooks"], headers | {"webhook-signature": listed}, [SIGNING_TOKEN]
    )
    assert refused == "signature"


@pytest.mark.parametrize(
    ("after", "kind"), [(NEW, "tag_pushed"), (NULL, "tag_deleted"), (None, "tag_deleted")]
)
def test_any_sender_may_tell_of_a_ref_in_the_documented_form(after: str | None, kind: str) -> None:
    data = {
        "repository": "https://git.example.org/r.git",
        "ref": "refs/tags/v1",
        "before": OLD,
        "after": after,
    }
    (fact,) = parse(FORGES["standard_webhooks"], {}, {"type": "ref.updated", "data": data})
    assert fact.type == kind
    assert fact.repositories == ("git.example.org/r",)


def test_an_azure_repository_has_its_ssh_name_too() -> None:
    resource = {
        "repository": {"remoteUrl": "https://o@dev.azure.com/o/My%20P/_git/R"},
        "refUpdates": [{"name": "refs/heads/m", "oldObjectId": OLD, "newObjectId": NEW}],
    }
    (fact,) = parse(FORGES["azure_devops"], {}, {"eventType": "git.push", "resource": resource})
    assert fact.repositories == ("dev.azure.com/o/my p/_git/r", "ssh.dev.azure.com/v3/o/my p/r")


def test_an_option_that_means_nothing_or_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError, match="sha1"):
        configured("gitlab", sha1=True)
    with pytest.raises(ConfigurationError, match="base_url"):
        configured("gerrit", header="x-secret")


def test_half_a_character_in_one_text_spoils_no_other() -> None:
    head = {"id": NEW, "message": "cut \ud83d"}
    payload = {
        "ref": "refs/heads/ok",
        "after": NEW,
        "head_commit": head,
        "repository": {"html_url": "https://h/r"},
    }
    (fact,) = parse(FORGES["github"], {"x-github-event": "push"}, payload)
    assert isinstance(fact, BranchPushed)
    assert (fact.ref, fact.target) == ("refs/heads/ok", NEW)
    emoji = (
        rb'{"ref":"refs/heads/\ud83d\ude00\\ud83d","after":"%s","repository":{"html_url":"https://h/r"},'
        rb'"x":"\ud83d"}'
    )
    (other,) = FORGES["github"].parse(delivery({"x-github-event": "push"}, emoji % NEW.encode()))
    assert isinstance(other, BranchPushed)
    assert other.ref == "refs/heads/😀\\ud83d"
