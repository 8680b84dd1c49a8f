"""What a client may bring is read exactly, and everything else is refused at its place."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.config.supplied import SuppliedConfig
from hookfetch.core.supplied import NotAllowed, SuppliedRules, SuppliedSource, require_allowed
from hookfetch.supplied import KINDS, read
from tests.supplied.hazards import ALIASES, BY_ALIAS, COMMIT, IN_TEXT, git, remote, text

RULES = SuppliedConfig().rules()
OPEN = SuppliedConfig(hosts=("127.0.0.1:8080",)).rules()
KNOWN = {"upstream": "https://example.org/", **ALIASES}


def whole(written: str, rules: SuppliedRules = RULES) -> tuple[SuppliedSource, ...]:
    """Return what a client may bring, as gateway and coordinator together have it."""
    sources = read(written, rules, "fetch")
    require_allowed(sources, rules, KNOWN)
    return sources


@pytest.mark.parametrize("name", [*IN_TEXT, *BY_ALIAS])
def test_a_hazard_is_refused_at_its_place(name: str) -> None:
    written, field = {**IN_TEXT, **BY_ALIAS}[name]
    with pytest.raises(NotAllowed) as refused:
        whole(written, OPEN)
    assert refused.value.field == field
    assert "\n" not in refused.value.reason


@pytest.mark.parametrize("name", IN_TEXT)
def test_the_text_alone_is_enough_to_refuse_it(name: str) -> None:
    with pytest.raises(NotAllowed):
        read(IN_TEXT[name][0], OPEN, "fetch")


def test_sources_are_read_as_their_plugins_read_them() -> None:
    tagged = {"kind": "git_tag", "url": "upstream:x.git", "track": "main", "track-tags": "true"}
    tagged |= {"match": ["v*"], "exclude": ["*rc*"], "ref": f"v1.2-3-g{COMMIT}"}
    written = text(
        git(submodules={"a/b": {"url": "upstream:sub.git", "checkout": "False"}}, directory="x/y"),
        {"kind": "git_repo", "url": "upstream:~user/x.git", "track": "v[0-9]*.?", "ref": COMMIT},
        tagged,
        {"kind": "tar", "url": "upstream:a/b-1.0+c.tar.xz", "base-dir": "", "ref": "2" * 64},
        remote(executable="true"),
    )
    written = written.replace(' "base-dir": "",\n', "")
    assert [(each.kind, each.config, each.ref) for each in whole(written)] == [
        (
            "git",
            {
                "url": "upstream:alpha.git",
                "track": "main",
                "submodules": {"a/b": {"url": "upstream:sub.git", "checkout": False}},
                "directory": "x/y",
            },
            COMMIT,
        ),
        ("git_repo", {"url": "upstream:~user/x.git", "track": "v[0-9]*.?"}, COMMIT),
        (
            "git_tag",
            {
                "url": "upstream:x.git",
                "track": "main",
                "track-tags": True,
                "match": ["v*"],
                "exclude": ["*rc*"],
            },
            f"v1.2-3-g{COMMIT}",
        ),
        ("tar", {"url": "upstream:a/b-1.0+c.tar.xz"}, "2" * 64),
        ("remote", {"url": "upstream:delta-1.0.tar.gz", "executable": True}, "2" * 64),
    ]


def test_what_has_no_say_in_the_sources_is_not_looked_at() -> None:
    plain = whole(text(git()))
    told = text(
        git(), depends=["a.bst"], config={"install-commands": {"(>)": ["x %{y}"]}}, public={"bst": {}}
    )
    assert whole(told.replace('"import"', '"meson"')) == plain


def test_who_tracks_needs_no_ref_and_who_fetches_does() -> None:
    written = text({"kind": "git", "url": "upstream:x.git", "track": "main"})
    assert read(written, RULES, "track")[0].ref is None
    with pytest.raises(NotAllowed, match=re.escape("sources[0].ref")):
        read(written, RULES, "fetch")


def test_a_project_says_which_kinds_it_takes() -> None:
    with pytest.raises(NotAllowed, match=re.escape("sources[0].kind: is not among tar")):
        read(text(git()), SuppliedConfig(kinds=("tar",)).rules(), "fetch")
    with pytest.raises(NotAllowed, match="the project takes no elements"):
        read(text(git()), SuppliedConfig(kinds=()).rules(), "fetch")
    assert set(KINDS) == SuppliedConfig().rules().kinds


def test_http_is_for_a_named_port_of_this_machine_alone() -> None:
    sources = read(text(git(url="here:x.git")), OPEN, "fetch")
    require_allowed(sources, OPEN, {"here": "http://127.0.0.1:8080/"})
    for base in (
        "http://127.0.0.1:8081/",
        "http://127.0.0.1/",
        "http://localhost:8080/",
        "http://10.0.0.1:8080/",
    ):
        with pytest.raises(NotAllowed, match="https alone"):
            require_allowed(sources, OPEN, {"here": base})
    lan = SuppliedConfig(hosts=("forge.lan:80",)).rules()
    with pytest.raises(NotAllowed, match="https alone"):
        require_allowed(sources, lan, {"here": "http://forge.lan/"})


def outcome(do: Callable[[], tuple[SuppliedSource, ...]]) -> tuple[SuppliedSource, ...] | NotAllowed:
    """Return what `do` reads, or why it does not."""
    try:
        return do()
    except NotAllowed as refused:
        return refused


_PIECES = st.sampled_from(
    [
        "..",
        "/",
        "-",
        "--",
        "%{x}",
        "%",
        "\n",
        "\0",
        " ",
        ":",
        "://",
        "@",
        "?",
        "#",
        "\\",
        "'",
        "x",
        ".git",
        "ä",
        "~",
    ]
)
_WORDS = st.one_of(st.text(max_size=30), st.lists(_PIECES, max_size=8).map("".join))
_CLEAN = re.compile(r"[A-Za-z0-9_~.+@,=:/-]+")


@given(_WORDS, st.sampled_from(["url", "track", "directory", "ref", "filename", "base-dir"]))
def test_what_passes_is_harmless(word: str, key: str) -> None:
    kind = {"filename": remote, "base-dir": lambda **more: {**remote(**more), "kind": "tar"}}.get(key, git)
    value = f"upstream:{word}" if key == "url" else word
    read_or_not = outcome(lambda: whole(text(kind(**{key: value}))))
    if isinstance(read_or_not, NotAllowed):
        assert read_or_not.field in (f"sources[0].{key}", "")
        return
    (source,) = read_or_not
    passed = str(source.ref if key == "ref" else source.config[key])
    assert passed == value.strip()
    assert not passed.startswith(("-", "/"))
    assert not any(ord(each) < 33 or ord(each) > 126 for each in passed)
    assert "%" not in passed
    if key != "base-dir":
        assert _CLEAN.fullmatch(passed)
        assert ".." not in passed.partition(":")[2].split("/")
    if key in ("directory", "filename"):
        assert not {"..", "."} & set(passed.split("/"))


_VALUES = st.recursive(
    st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "url", "ref", "(@)", "(?)", "sources", "a", ""]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["kind", "sources", "config", "variables", "(@)", "x\ny"]), _VALUES))
def test_whatever_is_brought_is_read_or_refused(element: dict[str, Any]) -> None:
    sources = outcome(lambda: read(json.dumps(element), RULES, "track"))
    if isinstance(sources, NotAllowed):
        assert re.fullmatch(r"[A-Za-z0-9_.@?<>=!(){}\[\]-]*", sources.field)
        return
    assert element.keys() <= {"kind", "sources", "config"}
    assert all(source.kind in RULES.kinds for source in sources)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(written: str) -> None:
    with pytest.raises(NotAllowed):
        read(written, RULES, "track")
