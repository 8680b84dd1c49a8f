"""A ref that is not there yet is written as BuildStream's own round trip would write it."""

from pathlib import Path

import pytest
from buildstream import _yaml

from hookfetch.edits import Change, Refused, edited, project_refs_path
from tests.edits.refdiffs import read

REF = "f79fb6ee2964747f8f07c2de1869debb028658f6"


def first(text: str, *places: tuple[str | int, ...]) -> str:
    result = edited(text, [Change(path=(*place, "ref"), before=None, after=REF) for place in places])
    read(result)
    return result


def tracked(text: str, file: Path, source: int) -> str:
    """Return what `bst source track` would make of an element."""
    file.write_text(text)
    content = _yaml.roundtrip_load(str(file))
    content["sources"][source]["ref"] = REF
    _yaml.roundtrip_dump(content, str(file))
    return file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "sources:\n- kind: git_repo\n  track: main\n",
        "sources:\n- kind: git_repo\n  track: main\n- kind: local\n  path: a\npublic:\n  a: b\n",
        "kind: import\n\nsources:\n- kind: git_repo\n  url: up:a  # where\n  track: main  # what\n",
        "sources:\n- {kind: git_repo, track: main}\n",
        "sources:\n- kind: a\n  b:\n    c:\n      d: e\n      f: g\n- kind: local\n",
        "sources:\n- kind: git_repo\n  exclude:\n  - a\n  - b\n- kind: local\n",
    ],
)
def test_the_first_ref_stands_at_the_end_of_its_source(text: str, tmp_path: Path) -> None:
    assert first(text, ("sources", 0)) == tracked(text, tmp_path / "a.bst", 0)


def test_comments_below_a_source_stay_below_its_first_ref() -> None:
    text = "sources:\n- kind: git_repo\n  track: main # what\n  # or not\n\n# end\n- kind: local\n"
    assert first(text, ("sources", 0)) == text.replace("# what\n", f"# what\n  ref: {REF}\n")


@pytest.mark.parametrize("nothing", ["ref:", "ref: ", "ref: ''", "ref: # later", '"ref":'])
def test_an_empty_ref_is_filled(nothing: str) -> None:
    text = f"sources:\n- {nothing}\n  kind: git_repo\n"
    result = first(text, ("sources", 0))
    assert read(result) == {"sources": [{"ref": REF, "kind": "git_repo"}]}
    assert result.replace(REF, "", 1).replace(" ", "") == text.replace(" ", "")


def test_project_refs_begins_as_buildstream_begins_it() -> None:
    # Measured with bst 2.8.1: tracking c.bst, then a.bst with two sources.
    begun = f"projects:\n  lab:\n    c.bst:\n    - ref: {REF}\n"
    assert first("", project_refs_path("lab", "c.bst", 0)) == begun
    more = first(begun, project_refs_path("lab", "sub/a.bst", 0), project_refs_path("lab", "sub/a.bst", 1))
    assert more == begun + f"    sub/a.bst:\n    - ref: {REF}\n    - ref: {REF}\n"
    other = first(begun, project_refs_path("other", "a.bst", 0))
    assert other == begun + f"  other:\n    a.bst:\n    - ref: {REF}\n"


def test_sources_without_a_ref_keep_their_place_in_project_refs() -> None:
    begun = first("# ours", project_refs_path("lab", "a.bst", 2))
    assert begun == f"# ours\nprojects:\n  lab:\n    a.bst:\n    - {{}}\n    - {{}}\n    - ref: {REF}\n"
    filled = first(begun, project_refs_path("lab", "a.bst", 1), project_refs_path("lab", "a.bst", 3))
    assert (
        filled == begun.replace("    - {}\n    - ref", f"    - ref: {REF}\n    - ref") + f"    - ref: {REF}\n"
    )


def test_a_list_is_written_under_its_key() -> None:
    crates = [{"kind": "registry", "name": "a"}, {"kind": "registry", "name": "b"}]
    text = "sources:\n- kind: cargo2\n  url: x\n"
    result = edited(text, [Change(path=("sources", 0, "ref"), before=None, after=crates)])
    assert result == text + "  ref:\n  - kind: registry\n    name: a\n  - kind: registry\n    name: b\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: b\n", ("sources", 101)),
        ("a: {}\n", ("a", "b")),
        ("a: []\n", ("a", 0)),
        ("- a\n", ("sources", 0)),
        ("sources:\n- a\n", ("sources", 0)),
        ("sources: [{kind: x, a: [b]}, [c]]\n", ("sources", 1)),
    ],
)
def test_a_first_ref_without_a_place_is_refused(text: str, place: tuple[str | int, ...]) -> None:
    with pytest.raises(Refused):
        first(text, place)


def test_what_would_be_read_as_something_else_is_refused() -> None:
    with pytest.raises(Refused, match="would not mean this"):
        first("sources:\n- kind: x\n  ? ref\n- kind: y\n", ("sources", 0))
