"""Commits of every shape that a checkout may have, written object by object."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2

FILE, PROGRAM, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
SOMEONE = pygit2.Signature("Lab", "lab@example.org", 1_700_000_000, 60)


@dataclass(frozen=True)
class Leaf:
    mode: int
    data: bytes


def file(data: bytes) -> Leaf:
    return Leaf(FILE, data)


def program(data: bytes) -> Leaf:
    return Leaf(PROGRAM, data)


def link(target: bytes) -> Leaf:
    return Leaf(LINK, target)


SHAPES: Mapping[str, Mapping[str, Leaf]] = {
    "plain": {"README": file(b"hello\n"), "src/main.c": file(b"int main(void) { return 0; }\n")},
    "modes": {"run": program(b"#!/bin/sh\n"), "data": file(b"#!/bin/sh\n"), "bin/tool": program(b"")},
    "links": {
        "a": link(b"b"),
        "absolute": link(b"/etc/hostname"),
        "odd": link(b"./x//../y/"),
        "up": link(b"../../.."),
        "dir/loop": link(b"loop"),
        "n\xc3\xa9".encode("latin-1").decode(): link("é".encode()),
    },
    "empty": {"empty": file(b""), "d/e/f/g/h": file(b"deep"), "also": file(b"")},
    "names": {
        name: file(name.encode())
        for name in (
            *("with space", "tab\there", "new\nline", 'quo"te', "-option", "back\\slash", "back\\git"),
            *("é", "e\u0301", "日本", "🎉", "A", "a", "CON", "dot.", "#", "~", "a:b", "z\u200dz"),
            *(".gitignore", ".github/x", ".git-blame-ignore-revs", "git", "x.git/HEAD", "*", "x" * 255),
        )
    },
    "order": {name: file(b"") for name in ("a/b", "a.b", "a0", "a-", "a b/c", "B", "_", "a\u00ff", "a~")},
    "large": {"large": file(b"0123456789abcdef" * 200_000), "small": file(b"x")},
    "attributes": {
        ".gitattributes": file(b"# text eol=crlf\n*.c diff=cpp\n*.bin binary -diff\nx export-ignore\n"),
        "x.c": file(b"a\r\nb\n"),
        "x.bin": file(b"\r\n\0"),
    },
    "endings": {
        "dos": file(b"a\r\nb\r\n"),
        "unix": file(b"a\n"),
        "mixed": file(b"a\r\nb\n\r"),
        "id": file(b"$Id$"),
    },
    "nothing": {},
}


class Shaped:
    """A bare repository whose commits are written as said."""

    def __init__(self, path: Path) -> None:
        self.repository = pygit2.init_repository(str(path), bare=True, initial_head="main")

    def commit(self, leaves: Mapping[str, Leaf], *parents: str, ref: str | None = "refs/heads/main") -> str:
        """Write a commit of just `leaves`; return it."""
        tree = self._tree({tuple(path.split("/")): leaf for path, leaf in leaves.items()})
        made = self.repository.create_commit(None, SOMEONE, SOMEONE, "a commit\n", tree, list(parents))
        if ref is not None:
            self.repository.references.create(ref, made, force=True)
        return str(made)

    def tag(self, name: str, commit: str, *, annotated: bool = False) -> str:
        if not annotated:
            self.repository.references.create(f"refs/tags/{name}", commit)
            return commit
        kind = pygit2.enums.ObjectType(self.repository[commit].type)
        return str(self.repository.create_tag(name, pygit2.Oid(hex=commit), kind, SOMEONE, "a tag\n"))

    def _tree(self, leaves: Mapping[tuple[str, ...], Leaf]) -> pygit2.Oid:
        builder = self.repository.TreeBuilder()
        below: dict[str, dict[tuple[str, ...], Leaf]] = {}
        for (name, *rest), leaf in leaves.items():
            if rest:
                below.setdefault(name, {})[tuple(rest)] = leaf
            elif leaf.mode == SUBMODULE:
                builder.insert(name, pygit2.Oid(hex=leaf.data.decode()), leaf.mode)
            else:
                builder.insert(name, self.repository.create_blob(leaf.data), leaf.mode)
        for name, inside in below.items():
            builder.insert(name, self._tree(inside), 0o40000)
        return builder.write()
