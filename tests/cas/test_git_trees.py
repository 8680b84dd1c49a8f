"""A tree becomes a directory only where every checkout comes to the same."""

import hashlib
from collections.abc import Sequence

import pytest

from hookfetch.cas.directories import EMPTY, Unsuited
from hookfetch.cas.git_trees import Checkout, GitTrees

Line = tuple[bytes, bytes, bytes]


class Objects:
    """A repository in memory, whose objects need not be sound; counts what is read."""

    def __init__(self) -> None:
        self.content: dict[bytes, tuple[str, bytes]] = {}
        self.reads = 0

    def read(self, object_id: bytes) -> tuple[str, bytes]:
        self.reads += 1
        return self.content[object_id]

    def blob(self, data: bytes) -> bytes:
        return self._add("blob", data)

    def tree(self, *lines: Line) -> bytes:
        return self._add("tree", b"".join(b"%s %s\0%s" % line for line in lines))

    def _add(self, kind: str, data: bytes) -> bytes:
        name = hashlib.sha256(kind.encode() + data).digest()[:20]
        self.content[name] = (kind, data)
        return name


@pytest.fixture
def objects() -> Objects:
    return Objects()


def checkout(objects: Objects, tree: bytes) -> Checkout:
    return GitTrees().checkout(objects.read, tree)


def test_an_unchanged_tree_is_not_read_again(objects: Objects) -> None:
    inner = objects.tree((b"100644", b"deep", objects.blob(b"1")))
    trees = GitTrees()
    trees.checkout(objects.read, objects.tree((b"100644", b"a", objects.blob(b"a")), (b"40000", b"d", inner)))
    objects.reads = 0
    changed = objects.tree((b"100644", b"a", objects.blob(b"b")), (b"40000", b"d", inner))
    found = trees.checkout(objects.read, changed)
    assert objects.reads == 2
    assert found.files == 2
    assert found.directory.directories["d"].files["deep"].digest.size == 1


def test_the_same_file_is_read_once_but_attributes_always(objects: Objects) -> None:
    text = objects.blob(b"* text\n")
    trees = GitTrees()
    assert trees.checkout(objects.read, objects.tree((b"100644", b"notes", text))).files == 1
    with pytest.raises(Unsuited, match=r"\.gitattributes"):
        trees.checkout(objects.read, objects.tree((b"100644", b".gitattributes", text)))


@pytest.mark.parametrize(
    "attributes",
    [
        b"* text=auto\n",
        b"*.txt  -text",
        b"# fine\n*.sln eol=crlf\n",
        b"*.bin filter=lfs diff=lfs\n",
        b"[attr]mine ident\n* mine\n",
        b'"a b" crlf\n',
        b"x working-tree-encoding=UTF-16\n",
    ],
)
def test_attributes_that_convert_are_refused(attributes: bytes, objects: Objects) -> None:
    tree = objects.tree((b"100644", b".gitattributes", objects.blob(attributes)))
    with pytest.raises(Unsuited, match="converted"):
        checkout(objects, objects.tree((b"40000", b"sub", tree)))


@pytest.mark.parametrize(
    "attributes", [b"", b"# text eol\n  # filter\n", b"*.c diff=cpp\n*.png binary\nx export-ignore\n"]
)
def test_attributes_that_convert_nothing_are_not(attributes: bytes, objects: Objects) -> None:
    assert (
        checkout(objects, objects.tree((b"100644", b".gitattributes", objects.blob(attributes)))).files == 1
    )


def test_hostile_attributes_are_read_in_no_time(objects: Objects) -> None:
    blank = objects.blob(b"\n" * 1_000_000 + b" " * 1_000_000)
    assert checkout(objects, objects.tree((b"100644", b".gitattributes", blank))).files == 1


@pytest.mark.parametrize(
    "name",
    [
        *(b".git", b".GIT", b".", b"..", b"", b"git~1", b".git ", b".git::$INDEX_ALLOCATION"),
        *(".g\u200cit".encode(), b"a\\.git", b"\xff", b"a/b", b"x" * 256),
    ],
)
def test_a_name_that_a_checkout_may_refuse_is_refused(name: bytes, objects: Objects) -> None:
    with pytest.raises(Unsuited):
        checkout(objects, objects.tree((b"100644", name, objects.blob(b""))))


@pytest.mark.parametrize("mode", [b"100664", b"120777", b"040000", b"644", b"", b"100600"])
def test_a_mode_that_git_does_not_write_is_refused(mode: bytes, objects: Objects) -> None:
    with pytest.raises(Unsuited):
        checkout(objects, objects.tree((mode, b"a", objects.blob(b""))))


@pytest.mark.parametrize("target", [b"", b"a\0b", b"\xff", b"x" * 4096])
def test_a_link_that_a_file_system_cannot_hold_is_refused(target: bytes, objects: Objects) -> None:
    with pytest.raises(Unsuited, match="link"):
        checkout(objects, objects.tree((b"120000", b"a", objects.blob(target))))


@pytest.mark.parametrize("name", [b".gitmodules", b".gitattributes", b".GitIgnore", b"gitmod~1"])
def test_a_link_under_gits_own_names_is_refused(name: bytes, objects: Objects) -> None:
    with pytest.raises(Unsuited, match="is a link"):
        checkout(objects, objects.tree((b"120000", name, objects.blob(b"x"))))


def test_damaged_trees_are_refused(objects: Objects) -> None:
    blob, empty = objects.blob(b""), objects.tree()
    inner = objects.tree((b"100644", b"x", blob))
    damaged: Sequence[tuple[Line, ...]] = [
        ((b"100644", b"b", blob), (b"100644", b"a", blob)),
        ((b"100644", b"a", blob), (b"100644", b"a", blob)),
        ((b"100644", b"a", blob), (b"40000", b"a", inner)),
        ((b"100644", b"a", blob[:19]),),
        ((b"40000", b"a", empty),),
        ((b"40000", b"a", blob),),
        ((b"100644", b"a", inner),),
    ]
    for lines in damaged:
        with pytest.raises(Unsuited):
            checkout(objects, objects.tree(*lines))


def test_an_empty_commit_is_an_empty_directory(objects: Objects) -> None:
    assert checkout(objects, objects.tree()).directory.digest == EMPTY.digest


def test_trees_that_unfold_without_end_are_refused(objects: Objects) -> None:
    tree = objects.tree((b"100644", b"x", objects.blob(b"")))
    for _ in range(10):
        tree = objects.tree(*((b"40000", b"%d" % number, tree) for number in range(10)))
    with pytest.raises(Unsuited, match="files"):
        checkout(objects, tree)


def test_a_deep_tree_is_refused_whether_or_not_its_end_is_known(objects: Objects) -> None:
    trees = GitTrees()
    tree = objects.tree((b"100644", b"x", objects.blob(b"")))
    for _ in range(200):
        tree = objects.tree((b"40000", b"d", tree))
    assert trees.checkout(objects.read, tree).files == 1
    for _ in range(100):
        tree = objects.tree((b"40000", b"d", tree))
    for known in (trees, GitTrees()):
        with pytest.raises(Unsuited, match="in each other"):
            known.checkout(objects.read, tree)


def test_a_submodule_is_seen_at_any_depth(objects: Objects) -> None:
    inner = objects.tree((b"160000", b"m", b"1" * 20))
    found = checkout(objects, objects.tree((b"40000", b"d", inner)))
    assert found.has_submodules
    assert found.directory.directories["d"].directories["m"].digest == EMPTY.digest
    listed = objects.tree((b"100644", b".gitmodules", objects.blob(b"")))
    assert checkout(objects, listed).has_submodules
