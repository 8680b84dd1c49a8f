"""What people wrote for a newer version follows from the files before and the version, byte for byte."""

from typing import Any

import pytest

from hookfetch.core.bumps import expanded, version_in
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Change
from hookfetch.core.moves import NotMoved, WantedMove
from hookfetch.updates.moving import Loaded, Way, ways
from hookfetch.updates.places import Places
from hookfetch.updates.planning import Plan, plan
from tests.edits.refdiffs import CASES, Case, read
from tests.edits.test_refdiffs import _MORE
from tests.updates.test_planning import INLINE, Texts

OLD, NEW = "1" * 64, "2" * 64


def loaded(text: str, variables: dict[str, str], others: tuple[str, ...] = ()) -> Loaded:
    """Return an element as BuildStream would load it; an alias is a host."""
    found = []
    for index, source in enumerate(read(text).get("sources", [])):
        url = source.get("url")
        found.append(
            SourceRef(index=index, kind=source["kind"], url=address(url, variables), ref=source.get("ref"))
        )
    return Loaded(name="a.bst", sources=found, variables=variables, others=others)


def address(url: str | None, variables: dict[str, str]) -> str | None:
    if url is None:
        return None
    alias, _, rest = expanded(url, variables).partition(":")
    return f"{alias}:{rest}" if rest.startswith("//") else f"https://{alias}/{rest}"


def wanted(current: str, version: str, *urls: str) -> WantedMove:
    return WantedMove(current=current, version=version, feed="https://feed/", urls=urls)


def planned(files: Texts, element: Loaded, way: Way, refs: dict[int, tuple[Any, Any]]) -> Plan:
    """Return what is written once the move is announced with new `refs`, from which to which, by source."""
    changes = [
        Change(
            index=index,
            kind=element.sources[index].kind,
            url="https://host/new",
            base=base,
            previous=base,
            ref=ref,
            base_url=element.sources[index].url,
            moved=way.moves.get(index),
        )
        for index, (base, ref) in refs.items()
    ]
    return plan({"a.bst": changes}, files)


def versions(case: Case) -> tuple[str, str] | None:
    """Return the versions that the archives of a file went from and to; None where they did not."""
    before, after = values(read(case.before)), values(read(case.after))
    for change in case.request["changes"]:
        urls = change.get("url_before"), change.get("url_after")
        if None in urls or urls[0].endswith(".git"):
            continue
        old, new = version_in(expanded(urls[0], before)), version_in(expanded(urls[1], after))
        if old and new and old != new:
            return old, new
    return None


def values(text: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a text."""
    return {name: value for name, value in text.get("variables", {}).items() if isinstance(value, str)}


def moved_text(case: Case, old: str, new: str) -> str:
    variables = values(read(case.before))
    files = Texts({"project.conf": INLINE, "elements/a.bst": case.before})
    element = loaded(case.before, variables)
    changes = case.full_request()["changes"]
    # The folders of PyPI's files are named by their digests: the registry says where they are.
    told = [address(url, {}) for each in changes if (url := str(each["url_after"])).startswith("pypi:")]
    way = next(ways(Places(files), element, wanted(old, new, *filter(None, told))))
    refs = {change["source_index"]: (change["ref_before"], change["ref_after"]) for change in changes}
    written = planned(files, element, way, refs)
    assert written.refused == {}
    return written.files[0].after


# Older than before, and from another host.
ELSEWHERE = "gnome-build-meta/111/elements/core-deps/libcdio.bst"


def test_real_changes_of_url_and_ref_come_out_of_the_text_before_and_the_version() -> None:
    cases = [(case, found) for case in CASES if (found := versions(case)) and case.name != ELSEWHERE]
    exact = 0
    for case, (old, new) in cases:
        text = moved_text(case, old, new)
        if case.mechanical and case.name not in _MORE:
            assert text == case.after, case.name
            exact += 1
            continue
        # The person did more than that: blanks, comments, patches.
        found, person = read(text), read(case.after)
        assert values(found) == values(person)
        for change in case.request["changes"]:
            index = change["source_index"]
            assert found["sources"][index] == person["sources"][index], case.name
    assert (len(cases), exact) == (39, 36)


def element(version: str = "1.0", url: str = "up:foo-%{version}.tgz") -> str:
    return (
        f"kind: import\nvariables:\n  version: {version}\nsources:\n- kind: tar\n  url: {url}\n  ref: {OLD}\n"
    )


def test_a_variable_is_written_where_it_stands_and_refs_in_project_refs_beside_it() -> None:
    refs = f"projects:\n  lab:\n    a.bst:\n    - ref: {OLD}\n"
    source = "sources:\n- kind: tar\n  url: up:foo-%{version}.tgz\n"
    files = Texts(
        {
            "project.conf": INLINE + "ref-storage: project.refs\n",
            "project.refs": refs,
            "elements/a.bst": f"kind: import\n(@): inc/version.yml\n{source}",
            "inc/version.yml": "variables:\n  version: 1.0 # of all\n",
        }
    )
    one = loaded(f"kind: import\n{source}", {"version": "1.0"})
    way = next(ways(Places(files), one, wanted("1.0", "1.1")))
    written = {file.path: file.after for file in planned(files, one, way, {0: (OLD, NEW)}).files}
    assert written == {
        "inc/version.yml": "variables:\n  version: 1.1 # of all\n",
        "project.refs": refs.replace(OLD, NEW),
    }


def test_what_is_written_already_has_landed() -> None:
    files = Texts({"project.conf": INLINE, "elements/a.bst": element()})
    one = loaded(element(), {"version": "1.0"})
    way = next(ways(Places(files), one, wanted("1.0", "1.1")))
    after = planned(files, one, way, {0: (OLD, NEW)}).files[0].after
    assert after == element("1.1").replace(OLD, NEW)
    files["elements/a.bst"] = after
    assert planned(files, one, way, {0: (OLD, NEW)}).landed == ("a.bst",)


def test_a_variable_that_another_element_reads_does_not_change() -> None:
    text = element().replace("variables:\n  version: 1.0\n", "")
    files = Texts(
        {
            "project.conf": INLINE + "variables:\n  version: 1.0\n",
            "elements/a.bst": text,
            "elements/b.bst": text,
        }
    )
    with pytest.raises(NotMoved, match=r"the variable version of project\.conf is read by b\.bst, too"):
        next(ways(Places(files), loaded(text, {"version": "1.0"}, ("a.bst", "b.bst")), wanted("1.0", "1.1")))


def test_files_of_a_release_are_taken_from_below_addresses_of_the_project_alone() -> None:
    text = element(url="up:x/foo-1.0.tgz")
    files = Texts({"project.conf": INLINE, "elements/a.bst": text})
    told = ("https://evil/foo-1.1.tgz", "https://up/../foo-1.1.tgz", "https://up/y/foo-1.1.tgz#sha256=0")
    way = next(ways(Places(files), loaded(text, {}), wanted("1.0", "1.1", *told)))
    assert way.moves[0].given == {"url": "up:y/foo-1.1.tgz"}


@pytest.mark.parametrize(
    ("text", "version", "said"),
    [
        (element(), "0.9", "0.9 is not newer than 1.0"),
        (element("1.2"), "1.1", "1.1 is not newer than 1.2"),
        (element(url="up:foo.tgz"), "1.1", "no source of the element has the version 1.0"),
    ],
)
def test_there_is_a_reason_where_nothing_moves(text: str, version: str, said: str) -> None:
    files = Texts({"project.conf": INLINE, "elements/a.bst": text})
    with pytest.raises(NotMoved, match=said):
        next(ways(Places(files), loaded(text, values(read(text))), wanted("1.0", version)))
