"""The members of a tarball into the directory that extracting them, in their order, makes. Opens nothing.

Only for what every file system makes the same of: anything else raises `Unsuited`.
"""

import tarfile
from collections.abc import Callable, Iterable

from hookfetch.cas.directories import Directory, File, Unsuited

_MAX_NAME = 255  # bytes, of Linux's file systems
_MAX_PATH = 3000  # bytes: before it stands the place that it is extracted to
_MAX_DEPTH = 256
_MAX_MEMBERS = 1_000_000

_Nest = dict[str, "File | str | _Nest"]  # a str is a link's target


def extracted(members: Iterable[tarfile.TarInfo], read: Callable[[tarfile.TarInfo], File]) -> Directory:
    """Return what `members` come to: names, types and modes as they are extracted. `read` returns a plain
    file with its content; what it raises is passed on."""
    root: _Nest = {}
    for count, member in enumerate(members):
        if count == _MAX_MEMBERS:
            raise Unsuited(f"over {_MAX_MEMBERS} members")
        parts = _parts(member.name)
        if member.isdir():
            _open(root, parts)
            continue
        place, name = _place(root, parts)
        if name in place:
            raise Unsuited(f"{member.name} is there twice")
        if member.issym():
            place[name] = _target(member)
        elif member.islnk():
            place[name] = _linked(root, member)
        elif member.isreg() and not member.issparse():
            place[name] = read(member)._replace(executable=_is_program(member))
        else:
            raise Unsuited(f"{member.name} is no file, link or directory")
    return _directory(root)


def _is_program(member: tarfile.TarInfo) -> bool:
    return bool(member.mode & 0o100)


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if parts[0] == ".":  # where it is extracted to
        del parts[0]
    if not {"", ".", ".."}.isdisjoint(parts) or "\0" in path:
        raise Unsuited(f"a member named {path!r}")
    lengths = [len(_encoded(part)) for part in parts]
    if (
        max(lengths, default=0) > _MAX_NAME
        or sum(lengths) + len(lengths) > _MAX_PATH
        or len(parts) > _MAX_DEPTH
    ):
        raise Unsuited(f"a member with a long name: {path[:100]!r}…")
    return parts


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Unsuited(f"a name that is not UTF-8: {text!r}") from error


def _open(root: _Nest, path: Iterable[str]) -> _Nest:
    inside = root
    for name in path:
        following = inside.setdefault(name, {})
        if not isinstance(following, dict):
            raise Unsuited(f"{name} is a directory, and not")
        inside = following
    return inside


def _place(root: _Nest, parts: list[str]) -> tuple[_Nest, str]:
    if not parts:
        raise Unsuited("a file in the place of all")
    return _open(root, parts[:-1]), parts[-1]


def _target(member: tarfile.TarInfo) -> str:
    if not 0 < len(_encoded(member.linkname)) <= _MAX_PATH or "\0" in member.linkname:
        raise Unsuited(f"{member.name} is a link that no file system can hold")
    return member.linkname


def _linked(root: _Nest, member: tarfile.TarInfo) -> File:
    """Return the file that a hard link is to."""
    place, name = _place(root, _parts(member.linkname))
    found = place.get(name)
    if not isinstance(found, File) or found.executable != _is_program(member):
        raise Unsuited(f"{member.name} is a link to what is not there before it, or has another mode")
    return found


def _directory(nest: _Nest) -> Directory:
    return Directory(
        {name: each for name, each in nest.items() if isinstance(each, File)},
        {name: each for name, each in nest.items() if isinstance(each, str)},
        {name: _directory(each) for name, each in nest.items() if isinstance(each, dict)},
    )
