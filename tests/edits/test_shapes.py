"""Each shape of real projects' files: the ref changes, and nothing else."""

import pytest

from hookfetch.core.sources import Ref
from hookfetch.edits import Change, Path, Refused, edited, parse, project_refs_path, ref_changes
from tests.edits.refdiffs import read

OLD = "f79fb6ee2964747f8f07c2de1869debb028658f6"
NEW = "0.2.13-4-g2ea1c17de2a5ed10e9cedbe7643fbc35c15bd725"
REF: Path = ("sources", 0, "ref")


def rewritten(text: str, *changes: Change) -> str:
    result = edited(text, changes)
    read(result)  # BuildStream loads it
    return result


def new_ref(text: str, before: Ref = OLD, after: Ref = NEW) -> str:
    return rewritten(text, *ref_changes(parse(text), ("sources", 0), before, after))


def element(source: str) -> str:
    return f"# of ours\nkind: meson\n\nsources:\n- kind: git_repo\n{source}\npublic: {{}}  # end\n"


@pytest.mark.parametrize(
    "line",
    [
        "  ref: {}",
        "  ref:   {}   ",
        "  ref: {}\t# v0.2.13, not {{",
        "  ref:\n    {}",
        "  ref: \n\n      {}  # why\n",
        "  ref: '{}'",
        '  ref: "{}"  # quoted',
        '  "ref": {}',
        "  ref: |-\n    {}",
        "  ref: >-  # long\n    {}\n\n",
        "  url: a:%{{version}}.tar\n  ref: {}\n  # was 0.2.12\n  track: main",
        "  track: é☃𝄞\n  ref: {}  # é",
        "  ? ref\n  : {}",
        "  ref: {}\n  (?):\n  - arch == 'x':\n      directory: d",
    ],
)
def test_only_the_scalar_changes(line: str) -> None:
    text = element(line.format(OLD))
    assert new_ref(text) == element(line.format(NEW))


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "---\n", "%YAML 1.1\n---\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n...\n", "  # last"])
def test_line_ends_a_byte_order_mark_and_the_end_of_the_file_stay(
    line_end: str, start: str, end: str
) -> None:
    text = f"{start}sources:\n- url: é\n  ref: {OLD}{end}".replace("\n", line_end)
    assert edited(text, [Change(path=REF, before=OLD, after=NEW)]) == text.replace(OLD, NEW)


def test_a_source_in_braces_changes_within_them() -> None:
    text = f"sources: [{{kind: git_repo, url: 'up:a', ref: {OLD}}}, {{kind: local}}]\n"
    assert new_ref(text) == text.replace(OLD, NEW)


def test_the_ref_changes_and_not_its_repetition_in_the_url_or_a_comment() -> None:
    text = f"sources:\n- kind: remote\n  # {OLD}\n  url: up:{OLD}.tar # {OLD}\n  ref: {OLD} # {OLD}\n"
    assert (
        new_ref(text)
        == f"sources:\n- kind: remote\n  # {OLD}\n  url: up:{OLD}.tar # {OLD}\n  ref: {NEW} # {OLD}\n"
    )


def test_a_ref_in_project_refs_changes_where_its_element_and_source_are() -> None:
    text = f"projects:\n  lab:\n    sub/a.bst:\n    - ref: {OLD}\n    - {{}}\n    b.bst:\n    - ref: {OLD}\n"
    place = project_refs_path("lab", "b.bst", 0)
    (change,) = ref_changes(parse(text), place, OLD, NEW)
    assert rewritten(text, change) == text[:-41] + NEW + "\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("(?)", 0, "arch == 'a/b'", "sources", 0), "(?):\n- arch == 'a/b':\n    sources:\n    - ref: REF\n"),
        (
            ("sources", "(>)", 1),
            "sources:\n  (>):\n  - kind: local\n  - ref: REF # x\n  (<):\n  - ref: REFx\n",
        ),
        (("sources", "(=)", 0), "(@): [a.yml]\nsources:\n  (=):\n  - (@):\n    - b.yml\n    ref: REF\n"),
        (("parts", "linux", 0), "parts:\n  linux:\n  -   ref:   REF\n"),
    ],
)
def test_conditions_composition_and_included_files_are_paths_like_others(path: Path, text: str) -> None:
    before = text.replace("REF", OLD)
    after = edited(before, [Change(path=(*path, "ref"), before=OLD, after=NEW)])
    assert after == before.replace(f" {OLD}", f" {NEW}", 1)


def test_a_ref_under_one_condition_of_its_source_is_found_by_its_value() -> None:
    text = (
        "sources:\n- kind: tar\n  (?):\n"
        f"  - arch == 'x':\n      ref: {OLD}\n  - arch == 'y':\n      ref: other # {OLD}\n"
    )
    assert new_ref(text) == text.replace(OLD, NEW, 1)
    with pytest.raises(Refused, match="under 2 conditions"):
        new_ref(text.replace("other", OLD))


def test_mappings_change_by_their_keys() -> None:
    text = (
        "sources:\n- kind: pypi\n  ref:\n    sha256sum: aa   # x\n    suffix: 'a/b-1.0.tar.gz'\n  name: b\n"
    )
    before: Ref = {"ref": {"suffix": "a/b-1.0.tar.gz", "sha256sum": "aa"}}
    after = new_ref(text, before, {"ref": {"suffix": "c/b-1.1.tar.gz", "sha256sum": "bb"}})
    assert after == text.replace(" aa ", " bb ").replace("a/b-1.0", "c/b-1.1")


def test_an_explicit_go_module_stays_explicit_whatever_is_written_there() -> None:
    text = "sources:\n- kind: go_module\n  ref:\n    go-version: v1.2.3\n    git-ref: v1\n    explicit: \n"
    before = {"go-version": "v1.2.3", "git-ref": "v1", "explicit": None}
    after = new_ref(text, {"ref": before}, {"ref": before | {"go-version": "v1.10.0"}})
    assert after == text.replace("v1.2.3", "v1.10.0")


def test_the_ref_of_cpan_is_two_keys_of_its_source() -> None:
    text = "sources:\n- kind: cpan\n  sha256sum: aa\n  name: N\n  suffix: x/N-1.tar.gz # 1\n"
    before, after = ({"suffix": f"x/N-{n}.tar.gz", "sha256sum": s} for n, s in ((1, "aa"), (2, "bb")))
    assert new_ref(text, before, after) == text.replace("aa", "bb").replace("N-1", "N-2")


def test_a_git_sources_tags_change_with_its_ref() -> None:
    text = (
        f"sources:\n- kind: git\n  ref: {OLD}\n  tags:\n  - tag: v1\n    commit: c1\n    annotated: False\n"
    )
    tags = [{"tag": "v1", "commit": "c1", "annotated": "False"}]
    new = [
        {"tag": "v2", "commit": "c2", "annotated": "True"},
        {"tag": "v3", "commit": "c3", "annotated": "True"},
    ]
    after = new_ref(text, {"ref": OLD, "tags": tags}, {"ref": NEW, "tags": new})
    lines = "".join(f"  - tag: v{n}\n    commit: c{n}\n    annotated: True\n" for n in (2, 3))
    assert after == text[: text.index("  - tag")].replace(OLD, NEW) + lines


def test_url_and_variables_change_with_the_ref() -> None:
    text = f"variables:\n  v: 1.2.3\nsources:\n- kind: tar\n  url:\n    up:x-1.9.tgz\n  ref: {OLD}\n"
    changes = [
        Change(path=("variables", "v"), before="1.2.3", after="1.10"),
        Change(path=("sources", 0, "url"), before="up:x-1.9.tgz", after="up:x-%{v}.tgz"),
        Change(path=REF, before=OLD, after=NEW),
    ]
    expected = text.replace("1.2.3", "1.10").replace("1.9", "%{v}").replace(OLD, NEW)
    assert rewritten(text, *changes) == rewritten(text, *changes[::-1]) == expected


@pytest.mark.parametrize(
    ("value", "plain", "in_braces"),
    [
        ("v1.0", "v1.0", "v1.0"),
        ("1.10", "1.10", "1.10"),
        ("a:b", "a:b", "'a:b'"),
        ("a: b", "'a: b'", "'a: b'"),
        ("a #b", "'a #b'", "'a #b'"),
        ("a,b", "a,b", "'a,b'"),
        ("#a", "'#a'", "'#a'"),
        ("-a", "-a", "'-a'"),
        ("- a", "'- a'", "'- a'"),
        ("it's", "it's", "it's"),
        ("'it", "'''it'", "'''it'"),
        ("{}", "'{}'", "'{}'"),
        ("*a", "'*a'", "'*a'"),
        ("a:", "'a:'", "'a:'"),
        ("--- a", "'--- a'", "'--- a'"),
        ("%a", "'%a'", "'%a'"),
    ],
)
def test_a_plain_value_is_quoted_only_where_it_must_be(value: str, plain: str, in_braces: str) -> None:
    for text, written in ((f"sources:\n- ref: {OLD}\n", plain), (f"sources: [{{ref: {OLD}}}]\n", in_braces)):
        assert new_ref(text, after=value) == text.replace(OLD, written)


def test_quotes_stay_and_what_they_hold_is_escaped() -> None:
    assert new_ref(f"sources:\n- ref: '{OLD}'\n", after="it's \\ \"") == "sources:\n- ref: 'it''s \\ \"'\n"
    assert new_ref(f'sources:\n- ref: "{OLD}"\n', after="it's \\ \"") == 'sources:\n- ref: "it\'s \\\\ \\""\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sources: &a\n- ref: REF\n", "line 1 has an anchor"),
        ("x: &a REF\nsources:\n- ref: *a\n", "line 1 has an anchor"),
        ("sources:\n- ref: REF\n  ref: REF\n", "line 3 has the key 'ref' twice"),
        ("sources:\n- ref: REF\n---\na: b\n", "line 4 has a second document"),
        ("- ref: REF\n", "no mapping"),
        ("sources:\n- ref: !mine REF\n", "line 2 has a tag"),
        ("sources:\n- ref: !!str REF\n", "line 2 has a value with a tag"),
        ("sources:\n- ref: REF\n  ? [a]\n  : b\n", "line 3 has a collection as a key"),
        ("sources:\n- ref: REF\n\t- b\n", "not YAML"),
        ("sources:\n- ref: 'REF\n", "not YAML"),
        ("sources:\n- ref: REF\n  x: \x00\n", "not YAML"),
        ("sources:\n- ref: REF\n  x: \ud800\n", "not YAML"),
        ("sources:\n- ref: REF\n  x: " + "[" * 65 + "]" * 65 + "\n", "more than 64 collections"),
        ("sources:\n- ref: |\n    REF\n    x\n", "sources/0/ref is"),
        ("sources:\n- (@): a.yml\n", "sources/0/ref is not there"),
        ("sources:\n  (>):\n  - ref: REF\n", "not there"),
        ("(@): a.yml\nref: REF\nsources: []\n", "not there"),
        ("sources:\n- ref: [REF]\n", "sources/0/ref is"),
        ("sources:\n- ref: '%{r}'\n", r"sources/0/ref is '%\{r\}'"),
    ],
)
def test_what_buildstream_would_not_load_or_is_not_there_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        edited(text.replace("REF", OLD), [Change(path=REF, before=OLD, after=NEW)])


def test_a_block_of_several_lines_is_a_persons_to_edit() -> None:
    text = "variables:\n  conf: >-\n    -Da\n    -Db\n"
    with pytest.raises(Refused, match="line 2 begins a block of several lines"):
        edited(text, [Change(path=("variables", "conf"), before="-Da -Db", after="-Da -Dc")])


@pytest.mark.parametrize(
    "value", ["a\nb", "a\r", "a\tb", "a\x00", "a\x1b[31m", "a\u2028b", "a\u202eb", "a\ud800"]
)
def test_a_value_that_could_hide_what_it_says_is_refused(value: str) -> None:
    for quote in "", "'", '"':
        with pytest.raises(Refused, match="control or invisible"):
            new_ref(f"sources:\n- ref: {quote}{OLD}{quote}\n", after=value)


@pytest.mark.parametrize("after", ["v%{x}", ["a", {"b": "%{x}"}], {"suffix": "%{x}"}])
def test_a_ref_in_which_buildstream_would_see_a_variable_is_refused(after: Ref) -> None:
    with pytest.raises(Refused, match="for a variable"):
        new_ref(f"sources:\n- ref: {OLD}\n", after=after)


@pytest.mark.parametrize("after", [None, 1, 1.5, True, {"ref": 1}, {"ref": {"a": 1}}])
def test_a_ref_that_goes_or_is_no_text_is_refused(after: Ref) -> None:
    with pytest.raises(Refused, match=r"would be removed|neither a text"):
        new_ref(f"sources:\n- ref: {OLD}\n", after=after)


def test_two_changes_of_one_value_agree_or_are_refused() -> None:
    text = f"sources:\n- ref: {OLD}\n"
    same = Change(path=REF, before=OLD, after=NEW)
    assert rewritten(text, same, same) == text.replace(OLD, NEW)
    with pytest.raises(Refused, match="two different values"):
        edited(text, [same, Change(path=REF, before=OLD, after="x")])
    with pytest.raises(Refused, match="what it is part of"):
        edited(text, [same, Change(path=(*REF, "a"), before=OLD, after="x")])
    with pytest.raises(Refused, match="what it is part of"):
        edited(text, [same, Change(path=("sources",), before=[{"ref": OLD}], after=[{"ref": "x"}])])
