"""Every stored delivery of every forge: what is extracted, and whose signature is believed."""

import pytest

from hookfetch.core import codec
from hookfetch.core.errors import Rejected
from hookfetch.core.events import Pinged, RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.core.repository import identify, identities
from hookfetch.forges import load_forges
from hookfetch.forges.sourcehut import Sourcehut
from tests.forges.corpus import CASES, FORGES, Case, delivery

CONFIGURED = (
    FORGES
    | {
        name: load_forges()[name](HookOptions(base_url="https://git.example.org/ada/foo"))
        for name in ("bitbucket_server", "gerrit", "pagure", "sourcehut")
    }
    | {"sourcehut": Sourcehut(HookOptions(base_url="https://git.sr.ht/~ada/foo"))}
)
FIELDS = {"ref": "ref", "before": "before", "after": "after", "target": "target_commit", "forced": "forced"}
FACT_TYPES = {
    ("branch", False): "branch_pushed",
    ("branch", True): "branch_deleted",
    ("tag", False): "tag_pushed",
    ("tag", True): "tag_deleted",
}
RELEASES = {"release", "package", "registry_package", "release_published"}
# What the corpus says of bus messages and of payloads that name no repository: nothing was sent to verify,
# and the URL is the configuration's.
BUS = {"anitya", "gerrit"}
COVERED = [case for case in CASES if case.forge not in {*BUS, "azure_devops", "gitee"} and case.signed]
IDENTIFIED = {
    "bitbucket",
    "bitbucket_server",
    "forgejo",
    "gitea",
    "github",
    "gitlab",
    "gogs",
    "sourcehut",
    "standard_webhooks",
}

signed_case = pytest.mark.parametrize(
    "case", [case for case in CASES if case.signed], ids=lambda case: case.name
)
covered_case = pytest.mark.parametrize("case", COVERED, ids=lambda case: case.name)
identified_case = pytest.mark.parametrize(
    "case", [case for case in CASES if case.forge in IDENTIFIED and case.signed], ids=lambda case: case.name
)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def facts_of(case: Case) -> list[UpstreamFact]:
    return CONFIGURED[case.forge].parse(delivery(case.headers, case.body))


def expected_types(case: Case) -> list[str]:
    if case.expected["expect"] != "event":
        return [] if (case.expected.get("extra") or {}).get("ignore") else ["ping"]
    if case.forge == "anitya":
        return ["release_published"] * len(case.expected["release"]["versions"])
    if case.expected["changes"]:
        return [FACT_TYPES[change["ref_type"], change["deleted"]] for change in case.expected["changes"]]
    return ["release_published" if case.expected["event"] in RELEASES else "repository_changed"]


def test_the_corpus_holds_deliveries_of_every_forge() -> None:
    assert {case.forge for case in CASES} == set(FORGES)
    assert len(CASES) == 121
    assert len([case for case in CASES if not case.signed]) == 7


@each_case
def test_a_stored_delivery_gives_the_expected_types(case: Case) -> None:
    assert [fact.type for fact in facts_of(case)] == expected_types(case)


@each_case
def test_a_stored_delivery_gives_the_expected_values(case: Case) -> None:
    facts = facts_of(case)
    changes = case.expected["changes"] or [{}] * len(facts)
    if not facts:
        return
    for fact, change in zip(facts, changes, strict=True):
        if isinstance(fact, Pinged):
            continue
        for field, name in FIELDS.items():
            if hasattr(fact, field):
                assert getattr(fact, field) == change[name], field
        assert getattr(fact, "tag", None) == case.expected["release_tag"]
        release = case.expected["release"] or {}
        for field in ("prerelease", "draft"):
            assert getattr(fact, field, None) == release.get(field), field
        if case.expected["action"] is not None:
            assert getattr(fact, "action", None) == case.expected["action"]


@each_case
def test_a_stored_delivery_names_repository_and_sender_as_written(case: Case) -> None:
    for fact in facts_of(case):
        assert list(fact.urls) == case.expected["repo_urls"]
        assert fact.sender == case.expected["sender"]
        assert set(identities(fact.urls)) <= set(fact.repositories)
        assert fact.repositories or case.forge == "anitya" or isinstance(fact, Pinged)


@each_case
def test_a_stored_delivery_numbers_its_facts_and_says_when_it_came(case: Case) -> None:
    for ordinal, fact in enumerate(facts_of(case)):
        assert (fact.id, fact.delivery_id, fact.observed_at) == (f"hook/1#{ordinal}", "hook/1", 1719835200.0)


@each_case
def test_a_stored_delivery_s_facts_survive_the_wire(case: Case) -> None:
    for fact in facts_of(case):
        assert codec.load_event(codec.dump_event(fact)) == fact


@signed_case
def test_a_stored_delivery_is_believed_with_each_of_its_secrets(case: Case) -> None:
    for secret in case.secrets:
        FORGES[case.forge].verify(case.headers, case.body, ["another", secret], case.signed_at)


@signed_case
def test_a_stored_delivery_is_refused_with_another_secret(case: Case) -> None:
    for secret in (*case.secrets, "whsec_" + "A" * 43 + "=", "whpk_" + "A" * 43 + "="):
        wrong = secret[:-2] + ("AA" if secret[-2:] != "AA" else "BB")
        with pytest.raises(Rejected) as refusal:
            FORGES[case.forge].verify(case.headers, case.body, [wrong], case.signed_at)
        assert refusal.value.code == "signature"


@covered_case
def test_a_stored_delivery_is_refused_with_one_flipped_byte(case: Case) -> None:
    signing = case.secrets[
        -1:
    ]  # GitLab's secret token covers no byte of the body; its signing token comes last
    for place in (0, len(case.body) // 2, len(case.body) - 1):
        flipped = bytearray(case.body)
        flipped[place] ^= 1
        with pytest.raises(Rejected) as refusal:
            FORGES[case.forge].verify(case.headers, bytes(flipped), signing, case.signed_at)
        assert refusal.value.code == "signature"


@identified_case
def test_a_stored_delivery_has_the_forge_s_own_id(case: Case) -> None:
    found = FORGES[case.forge].delivery_id(case.headers, case.body)
    assert found is not None
    assert found in case.headers.values()


@pytest.mark.parametrize("case", [case for case in CASES if not case.signed], ids=lambda case: case.name)
def test_a_delivery_without_any_proof_is_refused_unless_it_says_nothing(case: Case) -> None:
    if case.expected["event"] == "diagnostics_ping":
        FORGES[case.forge].verify(case.headers, case.body, ["s"], 0.0)
        return
    with pytest.raises(Rejected):
        FORGES[case.forge].verify(case.headers, case.body, case.secrets, 0.0)


def test_a_moved_repository_has_its_old_name_too() -> None:
    old_names = {
        "gitlab/system_project_rename": "https://gitlab.example.com/jsmith/overscore",
        "gitlab/system_project_transfer": "https://gitlab.example.com/jsmith/overscore",
        "github/repository/octokit-api.github.com-transferred": "https://github.com/octocat/Hello-World",
    }
    for case in CASES:
        for prefix, old_name in old_names.items():
            if case.name.startswith(prefix):
                (fact,) = facts_of(case)
                assert isinstance(fact, RepositoryMoved)
                assert fact.repositories[-1] == identify(old_name)
                assert len(fact.repositories) == 2
