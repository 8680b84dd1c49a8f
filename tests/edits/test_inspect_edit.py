"""`hookfetch inspect edit`: one line in, one line out, whatever the line holds."""

import io
import json
import subprocess
import sys
from typing import Any

import pytest

from hookfetch.inspection import edits
from hookfetch.inspection.edits import bounded_lines, inspect_edits

TEXT = "variables:\n  v: '1'\nsources:\n- kind: tar\n  url: up:%{v}.tgz\n  ref: aa # x\n"
CHANGE = {
    "source_path": "sources/0",
    "source_index": 0,
    "kind": "tar",
    "url_before": "up:%{v}.tgz",
    "url_after": "up:%{v}.tgz",
    "ref_before": "aa",
    "ref_after": "bb",
    "class": "only-ref",
}


def asked(*changes: object, text: str = TEXT, **more: object) -> dict[str, Any]:
    request = {
        "id": "1",
        "path": "elements/a.bst",
        "text": text,
        "changes": changes,
        "variables": None,
    } | more
    (answer,) = inspect_edits([json.dumps(request).encode()])
    assert "\n" not in answer
    return json.loads(answer)  # type: ignore[no-any-return]


def changed(**keys: object) -> dict[str, object]:
    return CHANGE | keys


def test_a_change_is_answered_with_the_whole_text() -> None:
    assert asked(CHANGE) == {"id": "1", "outcome": "ok", "reason": None, "text": TEXT.replace("aa", "bb")}


def test_variables_and_other_keys_change_too() -> None:
    text = TEXT + "  base-dir: x-1\n  track: main\n"
    answer = asked(
        changed(url_after="up:%{v}.zip", other_keys={"base-dir": ["x-1", "x-2"], "track": ["main", "v*"]}),
        text=text,
        variables={"v": ["1", "2"]},
    )
    expected = text.replace("aa", "bb").replace("tgz", "zip").replace("x-1", "x-2").replace("main", "v*")
    assert answer["text"] == expected.replace("'1'", "'2'")


def test_a_source_that_is_elsewhere_in_the_text_is_found_if_there_is_one_like_it() -> None:
    text = "sources:\n  (>):\n  - kind: tar\n    url: up:a\n    ref: aa\n"
    change = changed(url_before="up:a", url_after="up:b")
    assert asked(change, text=text)["text"] == text.replace("aa", "bb").replace("up:a", "up:b")
    twice = text + text.partition("\n")[2].replace("(>)", "(<)")
    assert "is not in this text" in asked(change, text=twice)["reason"]


def test_a_place_in_project_refs_may_hold_slashes() -> None:
    text = "projects:\n  lab:\n    sub/a.bst:\n    - ref: aa\n"
    place = {"source_path": "projects/lab/sub/a.bst/0", "kind": None, "ref_before": "aa", "ref_after": "bb"}
    assert asked(place, text=text)["text"] == text.replace("aa", "bb")
    text += "    sub:\n      a.bst:\n      - ref: aa\n"
    assert "may mean 2 places" in asked(place, text=text)["reason"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed(source_path="sources/1"), "sources/1 is not in this text"),
        (changed(source_path="/".join("a" * 65)), "more than 64 steps"),
        (changed(source_path=1), "source_path and kind are texts"),
        (changed(kind="remote"), "no source of kind remote"),
        (changed(url_before="up:b", url_after="up:b"), "has the url"),
        (changed(ref_before="cc"), "sources/0/ref is 'aa' in the text, not 'cc'"),
        (changed(ref_after=None), "would be removed"),
        (changed(ref_after={"long_string": 9, "sha256": "0", "starts": "a"}), "a digest"),
        (changed(ref_after=None, ref_list={"n_removed": 1}), "does not say which items"),
        (changed(ref_after="%{v}"), "for a variable"),
        (changed(other_keys=[1]), "other_keys is not an object"),
        (changed(other_keys={"a": "b"}), "not a list of before and after"),
        (7, "changes is not a list of objects"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_its_reason(change: object, reason: str) -> None:
    answer = asked(change)
    assert (answer["id"], answer["outcome"], answer["text"]) == ("1", "refused", None)
    assert reason in answer["reason"]


@pytest.mark.parametrize(
    ("before", "removed", "added", "reason"),
    [
        ([{"name": "b"}, {"name": "a"}], [], [{"name": "c"}], "in no order by name"),
        ([{"name": "a"}], [{"name": "x"}], [], "the list does not hold"),
        ([{"x": "a"}], [], [{"x": "b"}], "without a name"),
    ],
)
def test_a_list_whose_items_have_no_certain_place_is_refused(
    before: list[dict[str, str]], removed: object, added: object, reason: str
) -> None:
    items = "".join(f"  - {key}: {value}\n" for item in before for key, value in item.items())
    difference = {"removed": removed, "added": added}
    change = {"source_path": "sources/0", "kind": "cargo2", "ref_list": difference}
    assert reason in asked(change, text=f"sources:\n- kind: cargo2\n  ref:\n{items}")["reason"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"id": 1}',
        b'{"text": "", "changes": [1]}',
        b'{"text": "", "changes": [], "variables": []}',
        b'{"text": "", "changes": [], "variables": {"a": 1}}',
        b'{"text": "a: b", "changes": [{"ref_after": ' + b"[" * 900 + b"]" * 900 + b"}]}",
    ],
)
def test_a_line_that_says_nothing_is_refused_and_the_next_is_answered(line: bytes) -> None:
    first, second = inspect_edits([line, json.dumps({"id": 2, "text": "", "changes": []}).encode()])
    assert json.loads(first)["outcome"] == "refused"
    assert json.loads(second) == {"id": 2, "outcome": "ok", "reason": None, "text": ""}


def test_a_line_over_the_limit_is_refused_and_the_next_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MAX_LINE", 50)
    fine = b'{"id": 2, "text": "", "changes": []}'
    answers = list(inspect_edits(bounded_lines(io.BytesIO(b"x" * 200 + b"\n" + fine + b"\n" + fine), 50)))
    assert [json.loads(answer)["outcome"] for answer in answers] == ["refused", "ok", "ok"]
    assert "more than 50 bytes" in answers[0]


def test_the_command_reads_lines_and_writes_lines() -> None:
    line = json.dumps({"id": 1, "path": "a.bst", "text": "é: '☃'\r\n", "changes": []})
    command = [sys.executable, "-m", "hookfetch", "inspect", "edit"]
    result = subprocess.run(command, input=(line + "\nx\n").encode(), stdout=subprocess.PIPE, check=True)
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["outcome"], first["text"]) == ("ok", "é: '☃'\r\n")
    assert second["reason"] == "the line is not JSON"
