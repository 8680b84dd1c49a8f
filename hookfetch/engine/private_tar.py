"""What BuildStream's tar plugin extracts, told without extracting it: the plugin's own names, as in
`private_api`, and nothing that decides.

Which members there are, under which names and with which modes, says the plugin itself. Their content is
written one after the other into one file, which is read from for as long as the stack is open.
"""
# ruff: noqa: SLF001 - this module is one of the places for it

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from hookfetch.cas.directories import Digest, Directory, File, Kept, Unsuited
from hookfetch.cas.tar_trees import extracted

_PIECE = 1024 * 1024  # bytes
_MAX_BYTES = 4 * 1024**3  # of all files together


def mirror_file(source: Any) -> Path:
    """Return where the plugin keeps the file of its source's ref."""
    return Path(source._get_mirror_file())


def staged(source: Any, stack: ExitStack) -> Directory:
    """Return what the plugin stages of a downloaded source; Unsuited when that is not certain. What the
    plugin raises is passed on."""
    target = stack.enter_context(tempfile.TemporaryDirectory(prefix="hookfetch-tar-"))
    with source._get_tar() as tar, (Path(target) / "content").open("wb") as spool:
        members = _members(source, tar, str(Path(target) / "nothing"))
        return extracted(members, lambda member: _spooled(tar, member, spool, Path(target) / "content"))


def _members(source: Any, tar: tarfile.TarFile, target: str) -> Iterator[tarfile.TarInfo]:
    # As its `stage` does it, and `extractall` goes on.
    base = source._find_base_dir(tar, source.base_dir) if source.base_dir else None
    if base and not base.endswith(os.sep):
        base += os.sep
    kept = [source._preextract_filter(base, member, target) for member in tar.getmembers()]
    for member in kept:
        filtered = None if member is None else source._extract_filter(member, target)
        if filtered is not None:
            yield filtered


def _spooled(tar: tarfile.TarFile, member: tarfile.TarInfo, spool: IO[bytes], place: Path) -> File:
    content = tar.extractfile(member)
    assert content is not None
    begin = spool.tell()
    if begin + member.size > _MAX_BYTES:
        raise Unsuited(f"over {_MAX_BYTES} bytes of files")
    digest = hashlib.sha256()
    while piece := content.read(_PIECE):
        digest.update(piece)
        spool.write(piece)
    size = spool.tell() - begin
    if size != member.size:
        raise Unsuited(f"{member.name} is cut off")
    return File(Digest(digest.hexdigest(), size), Kept(place, begin, size))
