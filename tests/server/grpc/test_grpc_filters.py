import re
import time

import pytest
from buildstream import utils
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookfetch.core.globs import Glob
from hookfetch.server.grpc.filters import BadFilter, Filter


def test_one_star_stays_within_a_folder_and_two_cross_it() -> None:
    assert Glob("*.bst").matches("glib.bst")
    assert not Glob("*.bst").matches("core/glib.bst")
    assert Glob("**.bst").matches("core/deps/glib.bst")
    assert Glob("core/*.bst").matches("core/glib.bst")
    assert not Glob("core/*.bst").matches("core/deps/glib.bst")
    assert Glob("sdk.bst:**").matches("sdk.bst:core/glib.bst")


@given(
    st.text(alphabet="ab/*?[]!-^.\\", max_size=10),
    st.text(alphabet="ab/-^!.\\", max_size=8),
)
@example("[]ab]*", "]a")
@example("[!a]", "/")
@example("**a*b", "a/ab")
@settings(max_examples=1500, deadline=None)
@pytest.mark.filterwarnings("ignore:Possible (nested set|set difference):FutureWarning")
def test_a_glob_matches_what_buildstreams_own_matches(pattern: str, name: str) -> None:
    if name.startswith("/") or pattern.startswith("//"):
        return  # no element is named so
    try:
        expected = list(utils.glob([name], pattern)) == [name]
    except re.error:
        with pytest.raises(ValueError, match="no sense"):
            Glob(pattern)
        return
    assert Glob(pattern).matches(name) == expected


def test_a_pattern_that_could_match_in_very_many_ways_costs_no_time() -> None:
    before = time.monotonic()
    assert not Glob("*a" * 100 + "b").matches("a" * 200)
    assert not Glob("**a*" * 100 + "b").matches("a/" * 100)
    assert time.monotonic() - before < 2


def test_a_filter_without_globs_wants_every_element_of_its_projects() -> None:
    wanted = Filter(["gnome"], [])
    assert wanted.matches("gnome", "core/glib.bst")
    assert not wanted.matches("sdk", "core/glib.bst")


def test_any_of_several_globs_is_enough() -> None:
    wanted = Filter(["gnome"], ["core/*", "sdk/**"])
    assert wanted.matches("gnome", "sdk/a/b.bst")
    assert not wanted.matches("gnome", "core/a/b.bst")


@pytest.mark.parametrize("glob", ["", "x" * 501, "[b-a]"])
def test_a_glob_that_cannot_be_used_is_named(glob: str) -> None:
    with pytest.raises(BadFilter) as caught:
        Filter(["gnome"], ["**", glob])
    assert caught.value.field == "filter.elements[1]"


def test_more_globs_than_allowed_are_refused() -> None:
    with pytest.raises(BadFilter, match="at most 100"):
        Filter(["gnome"], ["**"] * 101)
