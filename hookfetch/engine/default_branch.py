"""Which branch of an upstream is its default one? HEAD of its mirror says it, for whoever clones the mirror.

Asked once in a long while, beside a job that changes the mirror anyway: the question is put when the job
begins, and is mostly answered when it ends. Source plugins do not look at HEAD.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2

_EVERY = 30 * 86400.0  # seconds between two questions: projects rename their default branch once, if ever
_WITHIN = 10  # seconds, after which `timeout` ends git
_MOST = 4096  # bytes that are read: git prints the upstream's HEAD first
# As gitprotocol-v2(5) has it and `git ls-remote --symref` prints it.
_SYMREF = re.compile(rb"ref: (refs/heads/[!-~]{1,200})\tHEAD\n")


@contextmanager
def keeping_default_branch(mirror: Path, stamp: Path, url: str) -> Iterator[None]:
    """Have HEAD of the bare repository `mirror` name the default branch of the upstream at `url` after a
    `with` block. It stays as it is where the upstream does not say. The time of the file `stamp` is when it
    last did, or was asked in vain."""
    if not _is_due(stamp):
        yield
        return
    # `timeout` passes what ends it on to all that git has started.
    command = ["timeout", str(_WITHIN), "git", "-C", str(mirror), "ls-remote", "--symref", "--", url, "HEAD"]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing) as asking:
        assert asking.stdout is not None
        try:
            yield
            said = _SYMREF.match(asking.stdout.read(_MOST))
        finally:
            asking.terminate()
    if said is not None:
        _point(mirror, said[1].decode("ascii"))
    stamp.touch()


def _is_due(stamp: Path) -> bool:
    try:
        return time.time() - stamp.stat().st_mtime > _EVERY
    except FileNotFoundError:
        return True


def _point(mirror: Path, branch: str) -> None:
    repository = pygit2.Repository(str(mirror))
    try:
        if pygit2.reference_is_valid_name(branch):
            repository.set_head(branch)
    finally:
        repository.free()
