"""The folder of originals: what stands where, and who uses it.

    shared/<name>/                a public upstream's, for every project
    projects/<project>/<name>/    one that needs an account: for this project alone
    making/, trash/               what is being made, and deleted

Each of these has `content`, `about.json`, and `used`, whose time is that of the last use; a repository also
`head`, of when its upstream's default branch was asked for. Beside it stand the
lock of those who use it (`.pin`, which they share) and the lock of who changes it (`.work`).
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from hookfetch.core.errors import Temporary
from hookfetch.originals.locks import Lock

_DIGITS = 32  # of a SHA-256
_MADE_WITHIN = 3600.0  # seconds: an empty repository takes milliseconds


@dataclass(frozen=True, slots=True, order=True)
class Original:
    """What is kept of one upstream, in `directory`."""

    directory: Path

    @property
    def content(self) -> Path:
        """Return the bare repository, the folder of files, or the folder of a source plugin."""
        return self.directory / "content"

    @property
    def pin(self) -> Path:
        """Return the lock that those who use it share."""
        return self.directory.with_name(f"{self.directory.name}.pin")

    @property
    def work(self) -> Path:
        """Return the lock of the one who changes it."""
        return self.directory.with_name(f"{self.directory.name}.work")

    @property
    def used(self) -> float | None:
        """Return the Unix time of the last use; None when there was none, or it is gone."""
        try:
            return (self.directory / "used").stat().st_mtime
        except OSError:
            return None

    def touch(self) -> None:
        """Note that it is used now."""
        stamp = self.directory / "used"
        try:
            os.utime(stamp)
        except FileNotFoundError:
            stamp.touch()

    def about(self) -> tuple[str, str]:
        """Return kind and upstream; empty texts when nobody has written them down."""
        try:
            read = json.loads((self.directory / "about.json").read_text(encoding="utf-8"))
            return str(read["kind"]), str(read["upstream"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of originals at `root`."""

    root: Path

    def shared(self, kind: str, upstream: str) -> Original:
        """Return where every project finds the original of a public `upstream`."""
        return Original(self.root / "shared" / _name(kind, upstream))

    def own(self, project: str, kind: str, upstream: str) -> Original:
        """Return where this project alone finds it. The branches of a project have it together."""
        return Original(self.root / "projects" / _project(project) / _name(kind, upstream))

    def make(self, original: Original, kind: str, upstream: str, fill: Callable[[Path], None]) -> None:
        """Have `original` be there: made whole by `fill`, which is given the place of its content, or not
        at all. Whoever calls this has pinned it."""
        if original.content.is_dir() and (original.directory / "about.json").exists():
            return
        if original.content.is_dir():  # a plugin's own, made when its project was loaded
            _describe(original, kind, upstream)
            return
        new = Original(self.root / "making" / uuid.uuid4().hex)
        new.directory.mkdir(parents=True)
        try:
            fill(new.content)
            _describe(new, kind, upstream)
            original.directory.parent.mkdir(parents=True, exist_ok=True)
            new.directory.rename(original.directory)
        except OSError:
            if not original.content.is_dir():  # else another process was quicker
                raise
        finally:
            shutil.rmtree(new.directory, ignore_errors=True)

    def away(self) -> Path:
        """Return a new path for what is to be deleted."""
        return self.root / "trash" / uuid.uuid4().hex

    def leftovers(self, now: float) -> list[Path]:
        """Return what those who died were deleting, or making, at the Unix time `now`."""
        made = _directories(self.root / "making")
        old = [path for path in made if _made_before(path, now - _MADE_WITHIN)]
        return [*_directories(self.root / "trash"), *old]

    def __iter__(self) -> Iterator[tuple[str | None, Original]]:
        """Yield each original there is, with the project whose it is; None: everybody's."""
        for directory in _directories(self.root / "shared"):
            yield None, Original(directory)
        for project in _directories(self.root / "projects"):
            for directory in _directories(project):
                yield project.name, Original(directory)

    @classmethod
    def of(cls, state_dir: Path) -> Self:
        """Return the folder of a state directory."""
        return cls(state_dir / "mirrors")


@contextmanager
def pinned(originals: Iterable[Original], within: float) -> Iterator[None]:
    """Keep `originals` from being given up for a `with` block; Temporary when one cannot be had in time."""
    with ExitStack() as stack:
        until = time.monotonic() + within
        for each in sorted(originals):
            stack.enter_context(_lock(each, each.pin, until, shared=True))
        yield


@contextmanager
def alone(originals: Iterable[Original], within: float) -> Iterator[list[Original]]:
    """Let nobody else change `originals` for a `with` block, and give those that the last one who did left in
    the middle; Temporary when one is not free within so many seconds."""
    with ExitStack() as stack:
        unfinished = []
        until = time.monotonic() + within
        for each in sorted(originals):  # in one order for everybody: nobody waits in a circle
            lock = stack.enter_context(_lock(each, each.work, until, shared=False))
            if stack.enter_context(lock.marked()):
                unfinished.append(each)
        yield unfinished


def _lock(original: Original, path: Path, until: float, *, shared: bool) -> Lock:
    lock = Lock.take(path, shared=shared, until=until)
    if lock is None:
        what = original.about()[1] or original.directory.name
        raise Temporary(f"another worker is still at the mirror of {what}: it is tried again")
    return lock


def repository_name(url: str) -> str:
    """Return by what name a repository's original is kept: with and without `.git` it is the same one."""
    return url.rstrip("/").removesuffix(".git")


def without_account(upstream: str) -> str:
    """Return `upstream` without user and password, to be shown."""
    parts = urlsplit(upstream) if "://" in upstream else None
    if parts is None or "@" not in parts.netloc:
        return upstream
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _describe(original: Original, kind: str, upstream: str) -> None:
    text = json.dumps({"kind": kind, "upstream": without_account(upstream)})
    partial = original.directory / f"about.{uuid.uuid4().hex}"
    partial.write_text(text, encoding="utf-8")
    partial.replace(original.directory / "about.json")


def _name(kind: str, upstream: str) -> str:
    digest = hashlib.sha256(f"{kind}\n{upstream}".encode()).hexdigest()
    return f"{quote(kind, safe='')}-{digest[:_DIGITS]}"


def _project(name: str) -> str:
    return quote(name.partition("@")[0], safe="")


def _directories(parent: Path) -> list[Path]:
    try:
        return sorted(Path(each) for each in os.scandir(parent) if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _made_before(path: Path, when: float) -> bool:
    try:
        return path.stat().st_mtime < when
    except FileNotFoundError:
        return False
