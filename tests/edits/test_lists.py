"""Refs that are lists: items that stay keep their bytes, new ones are written as those beside them."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.edits import Refused, edited, parse, ref_changes
from hookfetch.edits.alignment import aligned
from tests.edits.refdiffs import read

TEXT = """\
sources:
- kind: cargo2
  ref:
  - kind: registry
    name: aa
    version: '1.0'   # quoted
    sha: a1

  # the second
  - kind: registry
    name: bb
    version: 2.0
    sha: b1
  - kind: git
    name: cc
    commit: c1
  - kind: registry
    name: dd
    version: 4.0
    sha: d1
  track: yes # it does
"""


def crate(name: str, version: str = "1.0", sha: str = "a1") -> dict[str, Any]:
    return {"kind": "registry", "name": name, "version": version, "sha": sha}


GIT = {"kind": "git", "name": "cc", "commit": "c1"}
OLD = [crate("aa"), crate("bb", "2.0", "b1"), GIT, crate("dd", "4.0", "d1")]


def with_list(after: Any, text: str = TEXT, before: Any = OLD) -> str:
    result = edited(text, ref_changes(parse(text), ("sources", 0), before, after))
    assert read(result)["sources"][0]["ref"] == after
    return result


def test_only_the_scalars_of_changed_items_change() -> None:
    after = with_list([crate("aa", "1.1", "a2"), *OLD[1:3], crate("dd", "4.0", "d2")])
    assert after == TEXT.replace("1.0", "1.1").replace("a1", "a2").replace("d1", "d2")


def test_an_item_that_goes_takes_its_lines_with_it() -> None:
    assert with_list(OLD[:3]) == TEXT.replace(
        "  - kind: registry\n    name: dd\n    version: 4.0\n    sha: d1\n", ""
    )


@pytest.mark.parametrize("at", [3, 4])
def test_an_item_that_comes_looks_like_those_beside_it(at: int) -> None:
    new = "  - kind: registry\n    name: cd\n    version: 3.0\n    sha: e1\n"
    after = with_list([*OLD[:at], crate("cd", "3.0", "e1"), *OLD[at:]])
    where = "  - kind: registry\n    name: dd" if at == 3 else "  track:"
    assert after == TEXT.replace(where, new + where)


def test_an_item_that_comes_first_stands_before_the_first() -> None:
    new = "  - kind: registry\n    name: a\n    version: 3.0\n    sha: e1\n"
    assert with_list([crate("a", "3.0", "e1"), *OLD]) == TEXT.replace("  ref:\n", "  ref:\n" + new)


def test_a_comment_above_the_first_item_stays_above_it() -> None:
    text = TEXT.replace("  ref:\n", "  ref:\n  # the first\n")
    new = "  - kind: registry\n    name: a\n    version: 3.0\n    sha: e1\n"
    after = with_list([crate("a", "3.0", "e1"), *OLD], text)
    assert after == text.replace("  # the first\n", new + "  # the first\n")


def test_an_item_like_no_other_is_written_as_buildstream_would() -> None:
    item = {"kind": "git", "name": "x: y", "query": {"rev": "1"}, "of": ["a", "b"]}
    new = "  - kind: git\n    name: 'x: y'\n    query:\n      rev: '#1'\n    of:\n    - a\n    - b\n"
    assert with_list([*OLD, item | {"query": {"rev": "#1"}}]) == TEXT.replace("  track:", new + "  track:")


def test_keys_of_an_item_come_and_go_in_lines_of_their_own() -> None:
    text = TEXT.replace("    commit: c1\n", "    commit: c1\n    branch: x\n")
    old, new = GIT | {"branch": "x"}, GIT | {"tag": "v1"}
    after = with_list([*OLD[:2], new, OLD[3]], text, [*OLD[:2], old, OLD[3]])
    assert after == text.replace("    branch: x\n", "    tag: v1\n") or after == text.replace(
        "branch: x", "tag: v1"
    )


def test_a_comment_is_never_dropped_with_an_item() -> None:
    for gone in 0, 1:
        with pytest.raises(Refused, match="comment"):
            with_list([item for item in OLD if item != OLD[gone]])


def test_a_changed_item_is_known_by_its_name_among_those_that_come_and_go() -> None:
    after = with_list([crate("aa", "1.1"), crate("ab"), *OLD[1:]])
    new = "  - kind: registry\n    name: ab\n    version: 1.0\n    sha: a1\n"
    assert after == TEXT.replace("'1.0'", "'1.1'").replace("    sha: a1\n", "    sha: a1\n" + new)


def test_a_comment_never_passes_to_an_item_of_another_name() -> None:
    with pytest.raises(Refused, match="comment"):
        with_list([crate("ab", "1.0"), *OLD[1:]])


def test_windows_line_ends_are_those_of_new_items_too() -> None:
    text = TEXT.replace("\n", "\r\n")
    after = with_list([*OLD[:3], crate("cd", "3", "e"), *OLD[3:], crate("ee", "5", "e")], text)
    assert after.count("\n") == after.count("\r\n") == text.count("\n") + 8
    assert with_list(OLD[:3], text).count("\r") == text.count("\n") - 4


def test_a_list_at_the_end_of_a_file_without_a_line_end_stays_so() -> None:
    text = "sources:\n- kind: x\n  ref:\n    - a # 1\n    - b"
    assert with_list(["a", "b", "c"], text, ["a", "b"]) == text + "\n    - c"
    assert with_list(["a"], text, ["a", "b"]) == "sources:\n- kind: x\n  ref:\n    - a # 1\n"


def test_a_crates_provenance_which_cargo2_gives_back_stays_as_it_is() -> None:
    text = TEXT.replace("    sha: d1\n", "    sha: d1\n    provenance:\n      homepage: https://d # ours\n")
    known = {"provenance": {"homepage": "https://d"}}
    old, new = (
        [*OLD[:3], crate("dd", version, sha) | known] for version, sha in (("4.0", "d1"), ("5.0", "d2"))
    )
    assert with_list(new, text, old) == text.replace("4.0", "5.0").replace("d1", "d2")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("ref: [a, b]", ["a", "b"], ["a", "b", "c"]),
        ("ref: [a, b]", ["a", "b"], ["a"]),
        ("ref: []", [], ["a"]),
        ("ref:\n  - a\n  - b", ["a", "b"], []),
        ("ref:\n  - a\n  - b", ["a", "b"], "a"),
        ("ref:\n  - a\n  - b", ["a", "b"], {"ref": {"a": "b"}}),
        ("ref:\n  -\n    a\n  -\n    b", ["a", "b"], ["a", "b", "c"]),
    ],
)
def test_what_has_no_lines_of_its_own_or_another_shape_is_refused(
    text: str, before: object, after: object
) -> None:
    with pytest.raises(Refused, match="line"):
        with_list(after, f"sources:\n- kind: x\n  {text}\n", before)


def test_items_in_brackets_change_in_place() -> None:
    text = "sources:\n- kind: x\n  ref: [a, 'b' , {c: d}]\n"
    after = with_list(["x", "y", {"c": "z"}], text, ["a", "b", {"c": "d"}])
    assert after == "sources:\n- kind: x\n  ref: [x, 'y' , {c: z}]\n"


ITEMS = st.lists(st.sampled_from([crate(f"n{n}", v) for n in range(8) for v in ("1", "2")]), max_size=8)


@settings(deadline=None)
@given(ITEMS, ITEMS)
def test_alignment_goes_through_both_lists_in_order(old: Sequence[Any], new: Sequence[Any]) -> None:
    pairs = aligned(old, new)
    assert [i for i, _ in pairs if i is not None] == list(range(len(old)))
    assert [j for _, j in pairs if j is not None] == list(range(len(new)))


@settings(max_examples=200, deadline=None)
@given(ITEMS.filter(bool), ITEMS)
def test_any_list_becomes_any_other_or_is_refused(old: Sequence[Any], new: Sequence[Any]) -> None:
    lines = "".join(
        f"  - kind: {item['kind']}\n    name: {item['name']}\n    version: {item['version']}\n    sha: a1\n"
        for item in old
    )
    text = f"sources:\n- kind: cargo2\n  ref:\n{lines}  track: x\n"
    try:
        after = with_list(new, text, old)
    except Refused:
        assert not new
        return
    assert after == f"sources:\n- kind: cargo2\n  ref:\n{_lines(new)}  track: x\n"


def _lines(items: Sequence[Any]) -> str:
    return "".join(
        f"  - kind: {item['kind']}\n    name: {item['name']}\n    version: {item['version']}\n    sha: a1\n"
        for item in items
    )
