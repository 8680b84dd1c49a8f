"""What a job's sources keep of their upstreams: found, locked and linked for their plugins.

A plugin has a directory of its own for each address, in its project's folder. There its mirror, or its folder
of files by checksum, is a link to the one original of that upstream, whatever kinds and projects use it. What
else it makes, as mirrors of submodules, is its project's alone.
"""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2

from hookfetch.engine import private_api as bst
from hookfetch.engine.addresses import is_remote
from hookfetch.engine.default_branch import keeping_default_branch
from hookfetch.engine.mirrors import HAVE_MIRRORS, mirror_of
from hookfetch.engine.private_mirrors import address_of, file_directory, keep_mirrors, keeper_of
from hookfetch.originals.cleaning import clean
from hookfetch.originals.folder import Folder, Original, alone, pinned, repository_name
from hookfetch.originals.privacy import Credentials


@dataclass(frozen=True, slots=True)
class _Use:
    """A source's directory and the original that `link` in it leads to, if there is one."""

    plugin: Original
    kind: str
    url: str | None
    original: Original | None = None
    original_kind: str = ""
    link: Path | None = None

    @property
    def changed(self) -> Original | None:
        """Return what nobody else may change meanwhile. What is of no address, many elements use at once, and
        its plugins know how."""
        return None if self.url is None else self.original or self.plugin


class SourceMirrors:
    """The originals of a project's sources in `folder`, as one worker uses them; `patience` is the most
    seconds that a job waits for another one."""

    def __init__(self, folder: Folder, project: str, credentials: Credentials, patience: float) -> None:
        self._folder = folder
        self._project = project
        self._credentials = credentials
        self._patience = patience

    def keep(self, context: Any) -> None:
        """Have the plugins of sources that are loaded in `context` keep theirs here."""
        keep_mirrors(context, self)

    def plugin_directory(self, kind: str, url: str | None) -> Path | None:
        """Implement `Keeper`: what is of this machine is not kept."""
        return self._plugin(kind, url).content if url is None or is_remote(url) else None

    @contextmanager
    def held(self, sources: Iterable[Any]) -> Iterator[None]:
        """Have what `sources` use be there for a `with` block; Temporary when it cannot be had in time."""
        uses = list(map(self._use, sources))
        # Without an address a plugin's directory is made as soon as it needs one.
        uses = [use for use in uses if use.url is not None or use.plugin.content.is_dir()]
        originals = {each for use in uses for each in (use.plugin, use.original) if each is not None}
        with pinned(originals, self._patience):
            for use in uses:
                self._prepare(use)
            yield

    @contextmanager
    def alone(self, sources: Iterable[Any]) -> Iterator[None]:
        """Let no other worker change what `sources` use for a `with` block; Temporary as `held`."""
        uses = [use for use in map(self._use, sources) if use.changed is not None]
        with alone({use.changed for use in uses if use.changed}, self._patience) as unfinished:
            _clean(use for use in uses if use.changed in unfinished)
            try:
                with _keeping_default_branches(uses):
                    yield
            except Exception:
                _clean(uses)  # plugins leave what they could not finish, and the disk may be full of it
                raise

    def _use(self, source: Any) -> _Use:
        url = address_of(source)
        kind = source.get_kind()
        plugin = self._plugin(kind, url)
        if url is None or not is_remote(url):
            return _Use(plugin, kind, None)
        if kind in HAVE_MIRRORS:
            what, link, upstream = "git", mirror_of(source), repository_name(url)
        elif (files := file_directory(source)) is not None:
            what, link, upstream = "files", files, url
        else:
            return _Use(plugin, kind, url)
        addresses = bst.resolved_urls(source, bst.configuration(source).get_str("url"))
        if any(map(self._credentials.needed_for, (url, *addresses))):
            original = self._folder.own(self._project, what, upstream)
        else:
            original = self._folder.shared(what, upstream)
        return _Use(plugin, kind, url, original, what, link)

    def _plugin(self, kind: str, url: str | None) -> Original:
        return self._folder.own(self._project, f"{kind}.plugin", url or "")

    def _prepare(self, use: _Use) -> None:
        self._folder.make(use.plugin, f"{use.kind}.plugin", use.url or "", Path.mkdir)
        use.plugin.touch()
        if use.original is not None and use.link is not None:
            url = use.url or ""
            fill = _repository(url) if use.original_kind == "git" else Path.mkdir
            self._folder.make(use.original, use.original_kind, url, fill)
            use.original.touch()
            _link(use.link, use.original.content)


@contextmanager
def _keeping_default_branches(uses: Iterable[_Use]) -> Iterator[None]:
    urls = {use.original: use.url for use in uses if use.original_kind == "git"}
    with ExitStack() as asking:
        for original, url in urls.items():
            assert original is not None
            assert url is not None
            stamp = original.directory / "head"
            asking.enter_context(keeping_default_branch(original.content, stamp, url))
        yield


def _clean(uses: Iterable[_Use]) -> None:
    for use in uses:
        clean(use.plugin.content)
        if use.original is not None:
            clean(use.original.content)


@contextmanager
def downloading(sources: Sequence[Any]) -> Iterator[None]:
    """Let no other worker change what `sources` use for a `with` block, where originals are kept."""
    keeper = keeper_of(sources[0]) if sources else None
    if isinstance(keeper, SourceMirrors):
        with keeper.alone(sources):
            yield
    else:
        yield


def _repository(url: str) -> Callable[[Path], None]:
    def fill(path: Path) -> None:
        repository = pygit2.init_repository(str(path), bare=True, initial_head="main")  # until it is asked
        config = repository.config
        config["remote.origin.url"] = url  # git_tag looks there for where large files are
        config["gc.auto"] = 0  # upkeep packs, beside the jobs
        config["gc.pruneExpire"] = "never"
        config["fetch.unpackLimit"] = 1  # as `mirrors` does it: a commit comes with its files
        config["core.fsync"] = "none"
        repository.free()

    return fill


def _link(link: Path, target: Path) -> None:
    """Have `link` lead to `target`, unless there is something real."""
    text = os.path.relpath(target, link.parent)
    try:
        if link.readlink() == Path(text):
            return
    except FileNotFoundError:
        pass
    except OSError:
        return  # a repository that the plugin made before there was an original
    new = link.with_name(f"{link.name}.{uuid.uuid4().hex}")
    new.symlink_to(text)
    new.replace(link)
