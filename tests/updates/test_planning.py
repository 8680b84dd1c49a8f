"""Which files change for announced refs: from texts to texts, or a reason."""

from textwrap import indent

import pytest

from hookfetch.core.errors import ConfigurationError
from hookfetch.core.jobs import Change
from hookfetch.core.sources import Ref
from hookfetch.updates.planning import Plan, plan

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
INLINE = "name: lab\nmin-version: 2.4\nelement-path: elements\n"
CENTRAL = INLINE + "ref-storage: project.refs\n"
URL = "https://host/x.git"


class Texts(dict[str, str]):
    """A project's files by path."""

    def read(self, path: str) -> str | None:
        return self.get(path)


def change(
    base: Ref = OLD, ref: Ref = NEW, *, index: int = 0, kind: str = "git_repo", url: str | None = URL
) -> Change:
    return Change(index=index, kind=kind, url=url, base=base, previous=base, ref=ref)


def source(ref: str | None = OLD, url: str = "up:x.git") -> str:
    return f"- kind: git_repo\n  url: {url}\n  track: main\n" + (f"  ref: {ref} # now\n" if ref else "")


def element(*sources: str) -> str:
    return "kind: import\nsources:\n" + "".join(sources)


def texts(**files: str) -> Texts:
    """An inline project with the elements `a.bst`, … of these names."""
    return Texts({"project.conf": INLINE} | {f"elements/{name}.bst": text for name, text in files.items()})


def after(planned: Plan, path: str) -> str:
    (text,) = [file.after for file in planned.files if file.path == path]
    return text


def test_an_inline_ref_is_written_where_its_source_is() -> None:
    planned = plan({"a.bst": [change(index=1)]}, texts(a=element(source(OTHER), source())))
    assert after(planned, "elements/a.bst") == element(source(OTHER), source(NEW))
    assert planned.written == {"a.bst": ("elements/a.bst",)}
    assert (planned.landed, planned.refused) == ((), {})


def test_a_first_ref_is_written_into_the_source_that_has_none() -> None:
    planned = plan({"a.bst": [change(None, index=1)]}, texts(a=element(source(), source(None))))
    assert after(planned, "elements/a.bst") == element(source(), source(None) + f"  ref: {NEW}\n")


def test_elements_in_a_project_without_element_path_stand_in_its_folder() -> None:
    files = Texts({"project.conf": "name: lab\n", "core/a.bst": element(source())})
    assert after(plan({"core/a.bst": [change()]}, files), "core/a.bst") == element(source(NEW))


def test_a_ref_in_an_included_file_is_written_there() -> None:
    files = texts(a="kind: import\n(@):\n- inc/one.yml\n- j.bst:inc/foreign.yml\n") | {
        "inc/one.yml": "(@): ./inc/two.yml\n",
        "inc/two.yml": f"sources:\n{source()}",
    }
    planned = plan({"a.bst": [change()]}, Texts(files))
    assert [file.path for file in planned.files] == ["inc/two.yml"]
    assert after(planned, "inc/two.yml") == f"sources:\n{source(NEW)}"


def test_a_source_whose_mapping_is_included_is_written_in_the_included_file() -> None:
    files = texts(a=element("- (@): inc/source.yml\n")) | {
        "inc/source.yml": f"kind: git_repo\nurl: up:x.git\nref: {OLD}\n"
    }
    planned = plan({"a.bst": [change()]}, Texts(files))
    assert after(planned, "inc/source.yml") == f"kind: git_repo\nurl: up:x.git\nref: {NEW}\n"


def test_a_ref_beside_an_include_is_written_where_it_is() -> None:
    files = texts(a=element(f"- (@): inc/source.yml\n  ref: {OLD}\n")) | {
        "inc/source.yml": "kind: git_repo\nurl: up:x.git\n"
    }
    planned = plan({"a.bst": [change()]}, Texts(files))
    assert after(planned, "elements/a.bst") == files["elements/a.bst"].replace(OLD, NEW)


def test_files_that_include_each_other_are_each_read_once() -> None:
    files = texts(a="kind: import\n(@): inc/one.yml\n") | {
        "inc/one.yml": f"(@): inc/two.yml\nsources:\n{source()}",
        "inc/two.yml": "(@): inc/one.yml\n",
    }
    assert after(plan({"a.bst": [change()]}, Texts(files)), "inc/one.yml").count(NEW) == 1


def test_elements_that_include_one_file_and_agree_write_it_once() -> None:
    files = texts(a="kind: import\n(@): inc/one.yml\n", b="kind: import\n(@): inc/one.yml\n")
    files["inc/one.yml"] = f"sources:\n{source()}"
    planned = plan({"a.bst": [change()], "b.bst": [change()]}, files)
    assert after(planned, "inc/one.yml") == f"sources:\n{source(NEW)}"
    assert planned.written == {"a.bst": ("inc/one.yml",), "b.bst": ("inc/one.yml",)}


def test_of_elements_that_include_one_file_and_disagree_the_first_is_written() -> None:
    files = texts(a="kind: import\n(@): inc/one.yml\n", b=element(source()) + "(@): inc/one.yml\n")
    files["inc/one.yml"] = f"other:\n{source(OTHER)}"
    planned = plan({"a.bst": [change(OTHER)], "b.bst": [change(), change(OTHER, "d" * 40, index=1)]}, files)
    assert after(planned, "inc/one.yml") == f"other:\n{source(NEW)}"
    assert [file.path for file in planned.files] == ["inc/one.yml"]
    assert "two different values" in planned.refused["b.bst"]


def test_of_an_element_all_sources_are_written_or_none() -> None:
    files = texts(a=element(source(), source(OTHER)), b=element(source()))
    planned = plan({"a.bst": [change(), change(index=1)], "b.bst": [change()]}, files)
    assert [file.path for file in planned.files] == ["elements/b.bst"]
    assert planned.refused == {
        "a.bst": f"elements/a.bst: source 1 is at {OTHER}, and what was announced begins at {OLD}"
    }


def test_a_ref_that_is_there_already_changes_nothing() -> None:
    planned = plan({"a.bst": [change()]}, texts(a=element(source(NEW))))
    assert (planned.files, planned.landed, planned.refused) == ((), ("a.bst",), {})


def test_of_an_element_whose_first_source_has_landed_the_second_is_written() -> None:
    files = texts(a=element(source(NEW), source(OTHER)))
    planned = plan({"a.bst": [change(), change(OTHER, "d" * 40, index=1)]}, files)
    assert after(planned, "elements/a.bst") == element(source(NEW), source("d" * 40))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (element(source(OTHER)), f"source 0 is at {OTHER}, and what was announced begins at {OLD}"),
        (element(source(None)), f"source 0 is at no ref, and what was announced begins at {OLD}"),
        (element(source(url="up:y.git")), f"holds a git_repo source at {OLD}"),
        (element(source()).replace("git_repo", "git"), f"holds a git_repo source at {OLD}"),
        (element("- kind: git_repo\n  ref: '%{r}'\n"), "source 0 is at %{r}, and what was"),
        ("kind: stack\n", f"holds a git_repo source at {OLD}"),
        ("a: &b c\n", "an anchor or alias"),
        ("kind: [\n", "is not YAML"),
    ],
)
def test_what_is_not_as_it_was_announced_is_refused_with_file_and_reason(text: str, reason: str) -> None:
    planned = plan({"a.bst": [change()]}, texts(a=text))
    assert planned.files == ()
    assert planned.refused["a.bst"].startswith("elements/a.bst: ")
    assert reason in planned.refused["a.bst"]


def test_an_element_that_is_not_there_is_refused() -> None:
    assert plan({"a.bst": [change()]}, texts()).refused == {"a.bst": "elements/a.bst is not there"}


def test_a_ref_that_stands_twice_where_the_index_does_not_tell_is_refused() -> None:
    text = "kind: import\nsources:\n  (>):\n" + indent(source() + source(), "  ")
    planned = plan({"a.bst": [change()]}, texts(a=text))
    assert planned.refused == {"a.bst": "elements/a.bst: the ref of source 0 stands in 2 places"}


def test_a_ref_from_upstream_that_would_be_a_variable_is_refused() -> None:
    planned = plan({"a.bst": [change(ref="%{secret}")]}, texts(a=element(source())))
    assert "take for a variable" in planned.refused["a.bst"]


def test_what_the_text_cannot_take_is_refused_with_its_file_and_the_rest_is_written() -> None:
    files = texts(a=element("- kind: git_repo\n  ref: |\n    aa\n    bb\n"), b=element(source()))
    planned = plan({"a.bst": [change("aa\nbb", url=None)], "b.bst": [change()]}, files)
    assert list(planned.written) == ["b.bst"]
    assert planned.refused["a.bst"].startswith("elements/a.bst: line ")


def test_central_refs_are_written_to_project_refs_beside_those_that_stay() -> None:
    refs = f"projects:\n  lab:\n    a.bst:\n    - ref: {OLD}\n    b.bst:\n    - ref: {OTHER} # kept\n"
    files = texts(a=element(source(None)), b=element(source(None))) | {
        "project.conf": CENTRAL,
        "project.refs": refs,
    }
    planned = plan({"a.bst": [change()], "b.bst": [change()]}, Texts(files))
    assert after(planned, "project.refs") == refs.replace(OLD, NEW)
    assert list(planned.refused) == ["b.bst"]


def test_a_project_whose_first_central_ref_comes_gets_its_file() -> None:
    files = texts(a=element(source(None), source(None))) | {"project.conf": CENTRAL}
    planned = plan({"a.bst": [change(None, index=1)]}, Texts(files))
    (file,) = planned.files
    assert (file.path, file.before) == ("project.refs", None)
    assert file.after == f"projects:\n  lab:\n    a.bst:\n    - {{}}\n    - ref: {NEW}\n"


def test_a_central_ref_whose_source_is_another_by_now_is_refused() -> None:
    files = texts(a=element("- kind: local\n  path: x\n", source(None))) | {"project.conf": CENTRAL}
    planned = plan({"a.bst": [change(None)]}, Texts(files))
    assert planned.refused == {"a.bst": "elements/a.bst: source 0 is not of kind git_repo"}


def test_refs_behind_junctions_are_written_only_where_that_is_allowed() -> None:
    refs = f"projects:\n  sdk:\n    a.bst:\n    - ref: {OLD}\n"
    files = Texts({"project.conf": CENTRAL, "project.refs": refs})
    proposed = {"sdk.bst:a.bst": [change()], "sdk.bst:b.bst": [change()]}
    refused = plan(proposed, files).refused
    assert all("belongs to the project behind sdk.bst" in reason for reason in refused.values())
    allowed = Texts(files | {"hookfetch.toml": "junction_refs = true\n"})
    planned = plan(proposed, allowed)
    assert after(planned, "project.refs") == refs.replace(OLD, NEW)
    assert planned.refused["sdk.bst:b.bst"].startswith("project.refs: no other project has b.bst in it")
    inline = plan(proposed, Texts(allowed | {"project.conf": INLINE}))
    assert inline.refused.keys() == proposed.keys()


def test_the_ref_of_a_junction_stands_apart_from_the_others() -> None:
    refs = f"projects:\n  lab:\n    sdk.bst:\n    - ref: {OLD}\n"
    text = element(source(None)).replace("kind: import", "kind: junction")
    files = texts(sdk=text) | {"project.conf": CENTRAL, "junction.refs": refs}
    planned = plan({"sdk.bst": [change()]}, Texts(files))
    assert after(planned, "junction.refs") == refs.replace(OLD, NEW)


def test_a_ref_of_several_keys_is_written_key_by_key() -> None:
    text = element("- kind: cpan\n  name: X\n  suffix: a/1.tar.gz\n  sha256sum: aa\n")
    asked = change(
        {"suffix": "a/1.tar.gz", "sha256sum": "aa"},
        {"suffix": "a/2.tar.gz", "sha256sum": "bb"},
        kind="cpan",
        url=None,
    )
    planned = plan({"a.bst": [asked]}, texts(a=text))
    assert after(planned, "elements/a.bst") == text.replace("1.tar", "2.tar").replace("aa", "bb")


@pytest.mark.parametrize("conf", ["min-version: 2.4\n", "a: &b c\n", ""])
def test_a_folder_of_no_project_is_a_configuration_error(conf: str) -> None:
    with pytest.raises(ConfigurationError, match=r"project\.conf"):
        plan({}, Texts({"project.conf": conf}))
