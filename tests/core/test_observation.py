from collections.abc import Mapping, Sequence

from hookfetch.core.events import BranchDeleted, BranchPushed, TagDeleted, TagPushed
from hookfetch.core.matching import Follower
from hookfetch.core.observation import Observation, RemoteRef, followed, is_swept, news, observe
from hookfetch.core.repository import RepositoryId
from hookfetch.core.sources import Ref, Source
from hookfetch.core.tracking import rules

A, B, C = "a" * 40, "b" * 40, "c" * 40
GLIB = RepositoryId("gitlab.gnome.org/gnome/glib")
URL = "https://gitlab.gnome.org/GNOME/glib.git"


def follower(track: str, ref: Ref = None, kind: str = "git_repo") -> Follower:
    source = Source(index=0, kind=kind, urls=(URL,), track={"track": track}, ref=ref)
    rule = rules(source)
    assert rule is not None
    return Follower("glib.bst", source, rule)


def refs(**commits: str) -> dict[str, RemoteRef]:
    """Branches by name; a name that starts with `v` is a tag."""
    return {f"refs/{'tags' if n[0] == 'v' else 'heads'}/{n}": RemoteRef(oid=c) for n, c in commits.items()}


def look(seen: Mapping[str, RemoteRef], number: int = 1) -> Observation:
    return Observation(id=str(number), repository=GLIB, urls=(URL,), refs=seen, seen_at=100.0)


def names(facts: Sequence[BranchPushed | TagPushed | BranchDeleted | TagDeleted]) -> list[str]:
    return [fact.ref.split("/")[-1] for fact in facts]


def test_a_branch_that_moved_is_one_push_with_both_ends() -> None:
    facts = observe(look(refs(main=B)), refs(main=A), [follower("main")])
    assert facts == [
        BranchPushed(
            id=f"sweep/{GLIB}/1#0",
            delivery_id=f"sweep/{GLIB}/1",
            observed_at=100.0,
            repositories=(GLIB,),
            urls=(URL,),
            ref="refs/heads/main",
            before=A,
            after=B,
            target=B,
        )
    ]


def test_nothing_moved_is_nothing_told() -> None:
    assert observe(look(refs(main=A)), refs(main=A), [follower("main")]) == []


def test_there_and_back_and_there_again_are_three_facts_with_three_ids() -> None:
    steps = [(A, B), (B, A), (A, B)]
    facts = [
        fact
        for number, (before, after) in enumerate(steps)
        for fact in observe(look(refs(main=after), number), refs(main=before), [follower("main")])
    ]
    assert len({fact.id for fact in facts}) == 3


def test_a_ref_that_nobody_follows_is_not_told() -> None:
    assert observe(look(refs(main=A, wip=B)), refs(main=A, wip=A), [follower("main")]) == []


def test_an_annotated_tag_says_the_tag_and_the_commit_behind_it() -> None:
    (fact,) = observe(look({"refs/tags/v1": RemoteRef(oid=A, peeled=B)}), {}, [follower("v*")])
    assert isinstance(fact, TagPushed)
    assert (fact.before, fact.after, fact.target) == (None, A, B)


def test_what_is_gone_is_told_as_deleted() -> None:
    facts = observe(look({}), refs(main=A, v1=B), [follower("main"), follower("v*")])
    assert [(type(fact), fact.before, fact.after) for fact in facts] == [
        (BranchDeleted, A, None),
        (TagDeleted, B, None),
    ]


def test_the_first_look_tells_only_the_ref_that_the_rule_selects() -> None:
    assert names(observe(look(refs(v1=A, v2=B, v10=C)), None, [follower("v*")])) == ["v10"]


def test_the_first_look_tells_nothing_that_the_committed_ref_already_holds() -> None:
    seen = {"refs/tags/v2": RemoteRef(oid=A, peeled=B), **refs(v1=C)}
    for committed in (B, f"v2-0-g{B}", [f"v2-0-g{B}", []], {"git-ref": B}):
        assert observe(look(seen), None, [follower("v*", committed)]) == []
    assert names(observe(look(seen), None, [follower("v*", f"v2-0-g{A}")])) == ["v2"]


def test_several_followers_behind_one_ref_are_one_fact() -> None:
    assert names(observe(look(refs(main=B)), None, [follower("main"), follower("ma*", A)])) == ["main"]


def test_a_newcomer_is_told_where_it_is_behind_and_not_of_every_tag_there_is() -> None:
    seen = refs(main=A, v1=A, v2=B)
    assert names(observe(look(seen), refs(main=A), [follower("main")], [follower("v*")])) == ["v2"]


def test_a_newcomer_hears_what_moved_since_the_last_look() -> None:
    known = refs(main=A, v1=A)
    facts = observe(look(refs(main=B)), known, [], [follower("main", B), follower("v*")])
    assert [type(fact) for fact in facts] == [BranchPushed, TagDeleted]


def test_only_followed_refs_are_worth_remembering() -> None:
    assert followed(refs(main=A, wip=B, v1=C), [follower("v*"), follower("main")]) == refs(main=A, v1=C)


def test_news_is_what_changed_since_the_last_look_and_not_where_a_newcomer_is_behind() -> None:
    settled = [follower("main"), follower("v*")]
    newcomers = [follower("stable", C), follower("old", C)]
    known = refs(main=A, v1=A, stable=A, gone=A)
    seen = refs(main=B, v1=A, v2=A, stable=A, old=A)
    facts = observe(look(seen), known, settled, [*newcomers, follower("gone")])
    assert names(facts) == ["gone", "main", "old", "stable", "v2"]
    assert names(news(facts, known, settled)) == ["gone", "main", "v2"]
    assert all(map(is_swept, facts))


def test_of_a_first_look_nothing_is_news() -> None:
    facts = observe(look(refs(main=A)), None, [follower("main")])
    assert names(facts) == ["main"]
    assert news(facts, None, [follower("main")]) == []
