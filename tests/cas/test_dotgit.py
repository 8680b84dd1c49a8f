"""The `.git` that is staged holds just the history it should, and an index that git reads."""

from pathlib import Path

import pygit2
import pytest

from hookfetch.cas.directories import Stored, Unsuited
from hookfetch.cas.dotgit import DotGit, Template, history, index, without_stat
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_sources import GitSources, content_of, new_template
from hookfetch.cas.git_trees import GitTrees, tree_of
from tests.engine.shapes import SHAPES, Shaped, file

TEMPLATE = Template({"HEAD": b"ref: refs/heads/trunk\n"}, frozenset({"refs/tags", "objects/pack"}))


@pytest.fixture
def upstream(tmp_path: Path) -> Shaped:
    return Shaped(tmp_path / "it.git")


def objects_of(upstream: Shaped) -> GitObjects:
    return GitObjects(Path(upstream.repository.path))


def test_an_index_is_read_by_git_and_has_no_times(upstream: Shaped, tmp_path: Path) -> None:
    commit = bytes.fromhex(upstream.commit({**SHAPES["modes"], **SHAPES["links"], **SHAPES["order"]}))
    with objects_of(upstream) as objects:
        tree = tree_of(objects.read(commit)[1])
        data = index(GitTrees().checkout(objects.read, tree))
    (tmp_path / "index").write_bytes(data)
    read = pygit2.Index(str(tmp_path / "index"))
    read.read()
    assert read.write_tree(upstream.repository).raw == tree
    assert without_stat(data) == data


def test_nested_tags_and_template_become_directories(upstream: Shaped) -> None:
    commit = upstream.commit({"a": file(b"a")})
    upstream.tag("release/old/1.0", commit)
    with objects_of(upstream) as objects:
        past = history(objects.read, objects.walk, bytes.fromhex(commit), bytes.fromhex(commit), False)
        checkout = GitTrees().checkout(objects.read, tree_of(objects.read(bytes.fromhex(commit))[1]))
        made = DotGit(TEMPLATE).directory(
            objects.read, past, checkout, ("release/old/1.0", bytes.fromhex(commit))
        )
        for name in ("../../x", "a//b", "./a"):
            with pytest.raises(Unsuited, match="a tag named"):
                DotGit(TEMPLATE).directory(objects.read, past, checkout, (name, bytes.fromhex(commit)))
    refs = made.directories["refs"].directories
    assert refs["heads"].files["trunk"].content == commit.encode() + b"\n"
    assert refs["tags"].directories["release"].directories["old"].files["1.0"].digest.size == 41
    assert sorted(made.directories["objects"].directories) == sorted(
        {"pack", *(each.hex()[:2] for each in past.objects)}
    )


def test_history_ends_at_the_tag_and_says_so(upstream: Shaped) -> None:
    root = upstream.commit({"a": file(b"0")})
    tagged = upstream.commit({"a": file(b"1")}, root)
    tag = upstream.tag("v1", tagged, annotated=True)
    newest = upstream.commit({"a": file(b"2")}, tagged)
    with objects_of(upstream) as objects:
        past = history(objects.read, objects.walk, bytes.fromhex(newest), bytes.fromhex(tag), True)
        alone = history(objects.read, objects.walk, bytes.fromhex(newest), None, True)
    assert past.shallow == {bytes.fromhex(tagged)}
    assert {bytes.fromhex(each) for each in (tag, tagged, newest)} < past.objects
    assert bytes.fromhex(root) not in past.objects
    assert alone.shallow == {bytes.fromhex(newest)}


def test_merges_are_refused_where_the_mirror_may_be_cut_off(upstream: Shaped) -> None:
    root = upstream.commit({"a": file(b"0")})
    side = upstream.commit({"b": file(b"1")}, root, ref=None)
    merge = upstream.commit({"a": file(b"2")}, root, side)
    with objects_of(upstream) as objects:
        whole = history(objects.read, objects.walk, bytes.fromhex(merge), bytes.fromhex(root), False)
        assert bytes.fromhex(side) in whole.objects
        assert whole.shallow == frozenset()
        with pytest.raises(Unsuited, match="cut off"):
            history(objects.read, objects.walk, bytes.fromhex(merge), bytes.fromhex(root), True)


def test_a_tag_that_is_not_in_the_history_or_no_commit_is_refused(upstream: Shaped) -> None:
    newest = upstream.commit({"a": file(b"0")})
    apart = upstream.commit({"a": file(b"1")}, ref="refs/heads/apart")
    blob = upstream.tag("blob", str(upstream.repository.create_blob(b"x")), annotated=True)
    with objects_of(upstream) as objects:
        for tag in (apart, blob):
            with pytest.raises(Unsuited):
                history(objects.read, objects.walk, bytes.fromhex(newest), bytes.fromhex(tag), False)
        with pytest.raises(Unsuited, match="no tag"):
            GitSources(new_template()).git_repo(objects, bytes.fromhex(newest), "never")


def test_content_comes_from_the_mirror_that_has_it(tmp_path: Path) -> None:
    one, other = Shaped(tmp_path / "one.git"), Shaped(tmp_path / "other.git")
    name = other.repository.create_blob(b"here").raw
    with objects_of(one) as first, objects_of(other) as second:
        assert content_of([first, second], Stored(name, loose=False)) == b"here"
        assert content_of([first, second], b"inline") == b"inline"
        with pytest.raises(KeyError):
            content_of([first], Stored(name, loose=False))
