"""Refs come from upstreams: whatever they are, they change one scalar or nothing."""

import json
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.edits import Change, Path, Refused, edited, parse, project_refs_path
from hookfetch.inspection.edits import inspect_edits
from tests.edits.refdiffs import CASES, read

YAML = st.text(alphabet="ab: #-'\"\\\n\r\t,[]{}?&*!|>%@`~=<.\x00\x85\u2028\ufeffé", max_size=12)
VALUES = st.one_of(st.text(max_size=30), YAML)


@cache
def texts() -> list[str]:
    """Return every element of the data once, without its long lists, which their own tests have."""
    return sorted({text for case in CASES for text in (case.before, case.after) if len(text) < 10_000})


def scalars(value: object, path: Path = ()) -> list[tuple[Path, str]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in scalars(item, (*path, key))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in scalars(item, (*path, index))]
    assert isinstance(value, str)
    return [(path, value)]


def outcome(text: str, path: Path, before: str, after: str) -> str | None:
    """Return the changed text, None if it was refused."""
    try:
        return edited(text, [Change(path=path, before=before, after=after)])
    except Refused as refused:
        reason = str(refused)
    assert 0 < len(reason) < 1000
    assert "\n" not in reason
    return None


def check(text: str, path: Path, before: str, after: str) -> bool:
    """Return whether `after` was written, in which case it alone differs; to BuildStream, and in bytes."""
    result = outcome(text, path, before, after)
    if result is None:
        return False
    expected = read(text)
    holder = expected
    for step in path[:-1]:
        holder = holder[step]  # type: ignore[index]
    holder[path[-1]] = after  # type: ignore[index]
    assert read(result) == expected
    head = next((i for i, (a, b) in enumerate(zip(text, result, strict=False)) if a != b), len(text))
    tail = next(
        (i for i, (a, b) in enumerate(zip(text[::-1], result[::-1], strict=False)) if a != b), len(text)
    )
    touched = text[head : max(len(text) - tail, head)]
    assert "\n" not in touched.strip() or "\n" in before
    return True


def test_any_text_in_any_file_of_the_data_changes_one_scalar_or_nothing() -> None:
    @settings(max_examples=600, deadline=None)
    @given(st.sampled_from(texts()), st.integers(min_value=0), VALUES)
    def holds(text: str, which: int, after: str) -> None:
        found = [(path, value) for path, value in scalars(read(text)) if isinstance(path[-1], str)]
        path, before = found[which % len(found)]
        check(text, path, before, after)

    holds()


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(["ref: {}", "ref: '{}'", 'ref: "{}"', "ref: |\n    {}", "ref: {}  # c", "? ref\n  : {}"]),
    VALUES,
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_text_in_any_style_changes_one_scalar_or_nothing(line: str, after: str, line_end: str) -> None:
    text = f"sources:\n- kind: x\n  {line.format('old')}\n  a: b # c\n".replace("\n", line_end)
    before = read(text)["sources"][0]["ref"]
    written = check(text, ("sources", 0, "ref"), before, after)
    if after.isprintable() and after == after.strip() and after and "|" not in line:
        assert written


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_any_text_in_braces_changes_one_scalar_or_nothing(after: str) -> None:
    check("sources: [{kind: x, ref: old, a: b}, 'c']\n", ("sources", 0, "ref"), "old", after)


@settings(max_examples=300, deadline=None)
@given(YAML, YAML)
def test_any_text_is_read_as_buildstream_reads_it_or_refused(text: str, more: str) -> None:
    text = f"a: {text}\nb:\n{more}"
    try:
        value = parse(text).value
    except Refused:
        return
    assert value == read(text)


@pytest.mark.parametrize("length", [300_000])
@pytest.mark.parametrize(
    "piece",
    ["[", "{", "- ", "? ", "a: ", "'", '"', "&a ", "a", "a ", "[],", "#", "\n", "\t", "!", "a:\n", "|\n"],
)
def test_no_text_takes_long_to_refuse(piece: str, length: int) -> None:
    text = "sources:\n- ref: x\n  y: " + piece * (length // len(piece))
    began = time.process_time()
    outcome(text, ("sources", 0, "ref"), "x", "y")
    assert time.process_time() - began < 2


def test_many_changes_of_many_refs_take_no_longer_than_reading_them_twice() -> None:
    count = 10_000
    text = "projects:\n  lab:\n" + "".join(f"    e{i}.bst:\n    - ref: {i:040x}\n" for i in range(count))
    changes = [
        Change(path=(*project_refs_path("lab", f"e{i}.bst", 0), "ref"), before=f"{i:040x}", after=f"v{i}")
        for i in range(0, count, 20)
    ]
    began = time.process_time()
    result = edited(text, changes)
    assert time.process_time() - began < 2  # 0.5 s on an idle machine
    assert len(result) == len(text) - sum(40 - len(change.after) for change in changes)


def test_a_long_list_turned_round_takes_no_longer_than_it_is() -> None:
    old = [f"n{i}" for i in range(5_000)]
    text = "sources:\n- ref:\n" + "".join(f"  - {item}\n" for item in old)
    began = time.process_time()
    for new in (old[::-1], ["a", "b"] * 2_500, old[2_500:] + old[:2_500]):
        result = edited(text, [Change(path=("sources", 0, "ref"), before=old, after=new)])
        assert read(result)["sources"][0]["ref"] == new
    assert time.process_time() - began < 3


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "source_path",
                        "kind",
                        "ref_before",
                        "ref_after",
                        "ref_list",
                        "removed",
                        "added",
                        "other_keys",
                        "url_before",
                        "a",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_change_is_answered(change: object) -> None:
    text = "sources:\n- kind: a\n  ref:\n  - name: a\n  a: b\n"
    request = {"id": 1, "text": text, "changes": [change], "variables": change}
    (answer,) = inspect_edits([json.dumps(request).encode()])
    said = json.loads(answer)
    assert (said["outcome"] == "ok") == (said["text"] is not None) == (said["reason"] is None)
