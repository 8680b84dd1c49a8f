import subprocess
import time
from pathlib import Path

import pytest
from buildstream_plugins_community.sources import _git_utils as plugin
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from hookfetch.core.refpatterns import MAX_PATTERN, version_key
from hookfetch.core.sources import Source
from hookfetch.core.tracking import FollowRule, covering, rules
from hookfetch.demo.repositories import Repository, create_repository


def rule(kind: str, **track: JsonValue) -> FollowRule:
    found = maybe_rule(kind, **track)
    assert found is not None
    return found


def maybe_rule(kind: str, **track: JsonValue) -> FollowRule | None:
    keys = {key.replace("_", "-"): value for key, value in track.items()}
    return rules(Source(index=0, kind=kind, urls=("https://example.org/a/b",), track=keys))


# Names and globs from few letters, so that they often match.
_names = st.text(alphabet="v1.0-/ab", min_size=1, max_size=8)
_refs = st.builds(str.__add__, st.sampled_from(["refs/heads/", "refs/tags/", "refs/pull/"]), _names)
_globs = st.builds(
    str.__add__,
    st.sampled_from(["", "", "refs/", "refs/tags/", "refs/*/"]),
    st.text(alphabet="v1.0-/ab*?[]!^\\é", max_size=8),
)


@settings(deadline=None)  # a busy machine is no failure
@given(st.sets(_refs, max_size=12), _globs.filter(bool), st.lists(_globs, max_size=3))
def test_git_repo_matches_exactly_what_its_plugin_matches(
    refs: set[str], track: str, exclude: list[str]
) -> None:
    theirs = plugin.get_matching_refs({ref.encode(): b"" for ref in refs}, track, exclude)
    ours = rule("git_repo", track=track, exclude=list(exclude))
    assert {ref for ref in refs if ours.matches(ref)} == {ref.decode() for ref in theirs}


@settings(deadline=None)  # a busy machine is no failure
@given(st.sets(_refs, max_size=12), _globs.filter(bool), st.lists(_globs, max_size=3))
def test_git_repo_selects_the_newest_version_as_its_plugin_does(
    refs: set[str], track: str, exclude: list[str]
) -> None:
    theirs = plugin.get_matching_refs({ref.encode(): b"" for ref in refs}, track, exclude)
    newest = max(map(plugin.version_sort_key, theirs), default=None)
    ours = rule("git_repo", track=track, exclude=list(exclude)).selects(dict.fromkeys(refs))
    assert [plugin.version_sort_key(ref.encode()) for ref in ours] == ([] if newest is None else [newest])


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=20), st.text(max_size=20))
def test_versions_are_ordered_as_the_plugin_orders_them(one: str, other: str) -> None:
    theirs = plugin.version_sort_key(one.encode()) < plugin.version_sort_key(other.encode())
    assert (version_key(one)[0] < version_key(other)[0]) == theirs


def test_a_number_of_ten_thousand_digits_is_a_version_too() -> None:
    assert version_key("v" + "9" * 10_000) < version_key("v1" + "0" * 10_000)


@settings(deadline=None)  # a busy machine is no failure
@given(_globs.filter(bool), _refs)
def test_whatever_matches_has_one_of_the_prefixes(track: str, ref: str) -> None:
    for kind in ("git_repo", "git", "git_tag"):
        found = maybe_rule(kind, track=track)
        if found is not None and found.matches(ref):
            assert ref.startswith(found.ref_prefixes())


def test_a_glob_is_asked_for_by_its_literal_beginning() -> None:
    assert rule("git_repo", track="v3.*").ref_prefixes() == ("refs/heads/v3.", "refs/tags/v3.")
    assert rule("git_repo", track="refs/tags/v[0-9]*").ref_prefixes() == ("refs/tags/v",)
    assert rule("git_repo", track="*").ref_prefixes() == ("refs/heads/", "refs/tags/")


def test_a_source_without_track_follows_nothing() -> None:
    assert maybe_rule("git_repo") is None
    assert maybe_rule("git", track="") is None


def test_other_kinds_follow_no_git_ref() -> None:
    for kind in ("tar", "git_module", "go_module", "cargo2", "unheard-of"):
        assert maybe_rule(kind, track="main") is None


def test_the_format_of_the_ref_does_not_change_what_is_followed() -> None:
    described = rule("git_repo", track="main", ref_format="git-describe")
    assert described == rule("git_repo", track="main")
    assert not described.matches("refs/tags/v1")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Every branch and tag at a commit of its own, names that are ambiguous among them."""
    made = create_repository(tmp_path_factory.mktemp("git"), "ambiguous", branch="master")
    for number, ref in enumerate(
        ("heads/master", "heads/both", "tags/both", "heads/feature/x", "heads/heads/x", "heads/x", "tags/v1")
    ):
        commit = made.commit({"file": str(number)}, ref, branch="work")
        made.point(f"refs/{ref}", commit)
    made.delete("refs/heads/work")
    return made


@pytest.mark.parametrize(
    "track",
    [
        *("master", "both", "heads/both", "tags/both", "refs/heads/both", "feature/x", "heads/x", "x"),
        *("v1", "refs/tags/v1", "nothing", "refs/heads/nothing", "v1^{commit}"),
    ],
)
def test_git_follows_the_ref_that_rev_list_finds(repository: Repository, track: str) -> None:
    names = _git(repository.path, "for-each-ref", "--format=%(refname)").split()
    selected = rule("git", track=track).selects(dict.fromkeys(names))
    commits = [repository.commit_of(ref) for ref in selected]
    assert commits == _git(repository.path, "rev-list", "-n", "1", track, "--").split()


def _git(path: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(path), *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def test_git_watches_every_name_that_could_become_the_one() -> None:
    followed = rule("git", track="main")
    assert followed.matches("refs/heads/main")
    assert followed.matches("refs/tags/main")
    assert not followed.matches("refs/heads/main-2")
    assert not followed.matches("refs/tags/v1")
    assert rule("git", track="main", track_tags="True").matches("refs/tags/v1")


def test_git_at_an_object_id_or_an_option_follows_nothing() -> None:
    assert maybe_rule("git", track="0" * 40) is None
    assert maybe_rule("git", track="--all") is None


def test_git_at_head_watches_every_branch() -> None:
    head = rule("git", track="HEAD")
    assert head.matches("refs/heads/anything")
    assert head.selects({"refs/heads/main": ""}) == ()


def test_git_tag_follows_all_its_branches_and_the_tags_that_count() -> None:
    followed = rule(
        "git_tag", track="main", track_extra=["stable"], track_tags=True, match=["v[0-9]*"], exclude=["*rc*"]
    )
    assert [followed.matches(f"refs/heads/{name}") for name in ("main", "stable", "wip")] == [
        True,
        True,
        False,
    ]
    assert [followed.matches(f"refs/tags/{name}") for name in ("v1", "v1-rc1", "x1")] == [True, False, False]
    heads = {"refs/heads/main": "", "refs/heads/stable": "", "refs/tags/v9": ""}
    assert followed.selects(heads) == ("refs/heads/main", "refs/heads/stable")


def test_git_tag_without_track_tags_follows_branches_only() -> None:
    assert not rule("git_tag", track="main", match=["v*"]).matches("refs/tags/v1")


def test_a_match_that_only_git_understands_is_widened_never_narrowed() -> None:
    assert rule("git_tag", track="main", track_tags=True, match=["v[^r]*"]).matches("refs/tags/v1")
    assert rule("git_tag", track="main", track_tags=True, match=["v[[:digit:]]*"]).matches("refs/tags/v1")
    assert rule("git_tag", track="main", track_tags=True, exclude=["v[^r]*"]).matches("refs/tags/v1")


def test_hostile_patterns_cost_little_time() -> None:
    ref = "refs/tags/" + "a" * 4000
    patterns = [
        "*a" * 500 + "b",
        "*?" * 500 + "b",
        "*[a-z]" * 170 + "b",
        "?" * 1022 + "*b",
        "*" + "a" * 1021 + "b*",
    ]
    started = time.process_time()
    for pattern in patterns:
        assert not rule("git_repo", track=pattern).matches(ref)
    assert time.process_time() - started < 1.0


def test_a_pattern_over_the_limit_matches_all_below_its_literal_beginning() -> None:
    long = rule("git_repo", track="v1*" + "x" * MAX_PATTERN)
    assert long.matches("refs/tags/v1.2")
    assert not long.matches("refs/tags/v2")


def test_covering_leaves_out_what_another_prefix_begins() -> None:
    assert covering(["b", "ab", "a", "b", "ba"]) == ("a", "b")
