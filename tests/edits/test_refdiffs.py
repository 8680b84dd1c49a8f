"""What people and bots wrote in real projects is what hookfetch writes, byte for byte."""

import json
from typing import Any

import pytest

from hookfetch.edits import parse
from hookfetch.inspection.edits import inspect_edits
from tests.edits.refdiffs import CASES, Case, read

MECHANICAL = [case for case in CASES if case.mechanical]
# Where the commit did more than its change says: what it did is beside it.
_MORE = {
    "gnome-build-meta/023/elements/sdk/gst-plugin-gtk4.bst": "the empty line at the end went",
    "gnome-build-meta/060/elements/core-deps/systemd-base.bst": "a blank behind the ref went",
    "gnome-build-meta/111/elements/core-deps/libcdio.bst": "the url came up to its key",
    "obs-deps-buildstream/011/elements/components/vpl-gpu-rt.bst": "comments went",
    "obs-deps-buildstream/017/elements/components/qt/declarative.bst": "a blank came behind a key",
    "obs-deps-buildstream/017/elements/components/qt/imageformats.bst": "a blank came behind a key",
    "obs-deps-buildstream/017/elements/components/qt/svg.bst": "a blank came behind a key",
    "obs-deps-buildstream/017/elements/components/qt/wayland.bst": "a comment went",
    "obs-deps-buildstream/030/elements/components/mbedtls.bst": "a blank came behind a key",
    "obs-deps-buildstream/050/elements/components/qt/base.bst": "the url came up to its key",
    "obs-deps-buildstream/050/elements/components/qt/imageformats.bst": "the url came up to its key",
    "obs-deps-buildstream/050/elements/components/qt/svg.bst": "the url came up to its key",
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    (line,) = inspect_edits([json.dumps(request).encode()])
    return json.loads(line)  # type: ignore[no-any-return]


def test_every_mechanical_case_is_reproduced_byte_for_byte() -> None:
    assert len(MECHANICAL) == 741
    answers = {case.name: answer(case.full_request()) for case in MECHANICAL}
    assert {name: said["reason"] for name, said in answers.items() if said["outcome"] != "ok"} == {}
    other = {case.name for case in MECHANICAL if answers[case.name]["text"] != case.after}
    assert other == _MORE.keys()


def test_every_text_of_the_data_is_read_as_buildstream_reads_it() -> None:
    for text in {text for case in CASES for text in (case.before, case.after)}:
        assert parse(text).value == read(text)


@pytest.mark.parametrize("name", _MORE)
def test_where_a_commit_also_tidied_up_the_same_is_meant_and_nothing_is_tidied(name: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    text = answer(case.full_request())["text"]
    assert read(text) == read(case.after)
    assert text.split() != case.before.split()
    assert len(text.splitlines()) == len(case.before.splitlines()) - (name.endswith("gtk4.bst") * 4)


def test_lists_come_out_right_from_what_came_and_what_went() -> None:
    cases = [
        case
        for case in MECHANICAL
        if not case.shortened and any("ref_list" in change for change in case.request["changes"])
    ]
    assert len(cases) == 11
    for case in cases:
        assert answer(case.request)["text"] == case.after, case.name


def test_a_ref_of_which_only_a_digest_is_given_is_refused() -> None:
    cases = [case for case in MECHANICAL if case.shortened]
    assert len(cases) == 18
    for case in cases:
        said = answer(case.request)
        assert (said["outcome"], said["text"]) == ("refused", None)
        assert "digest of the ref" in said["reason"] or "does not say which items" in said["reason"]


@pytest.mark.parametrize("case", [case for case in CASES if not case.mechanical], ids=lambda case: case.name)
def test_what_only_a_person_could_do_is_refused_or_done_only_as_far_as_asked(case: Case) -> None:
    said = answer(case.request)
    if said["outcome"] == "refused":
        assert said["reason"]
        assert said["text"] is None
        return
    text = case.before
    for change in case.request["changes"]:
        pairs = [("ref_before", "ref_after"), ("url_before", "url_after")]
        asked = [(change[old], change[new]) for old, new in pairs] + list(
            change.get("other_keys", {}).values()
        )
        for old, new in asked:
            assert text.count(old) == 1
            text = text.replace(old, new)
    assert said["text"] == text


def test_a_change_that_is_there_already_changes_nothing() -> None:
    cases = [
        case for case in MECHANICAL if all("ref_list" not in change for change in case.request["changes"])
    ]
    assert len(cases) > 700
    for case in cases:
        assert answer(case.request | {"text": case.after})["text"] == case.after


def test_a_change_that_starts_from_another_ref_is_refused() -> None:
    case = next(case for case in MECHANICAL if case.request["changes"][0]["kind"] == "git_repo")
    stale = case.request["changes"][0] | {"ref_before": "1" * 40}
    said = answer(case.request | {"changes": [stale]})
    assert said["outcome"] == "refused"
    assert "sources/0/ref is" in said["reason"]
