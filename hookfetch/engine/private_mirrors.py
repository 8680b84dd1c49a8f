"""Where BuildStream's plugins keep what they download: private names, as in `private_api`, and nothing
that decides.
"""
# ruff: noqa: SLF001 - this module is one of the places for it

from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from buildstream import DownloadableFileSource, Source


class Keeper(Protocol):
    """Says where a plugin keeps its mirrors."""

    def plugin_directory(self, kind: str, url: str | None) -> Path | None:
        """Return the directory of a source of `kind` from `url`; None: where BuildStream would have it."""


_keepers: WeakKeyDictionary[Any, Keeper] = WeakKeyDictionary()


def keep_mirrors(context: Any, keeper: Keeper) -> None:
    """Have `keeper` say where the plugins of sources loaded in `context` keep their mirrors."""
    _keepers[context] = keeper
    Source.get_mirror_directory = _mirror_directory


def keeper_of(source: Any) -> Keeper | None:
    """Return who says where a source's plugin keeps its mirrors; None when BuildStream does."""
    return _keepers.get(source._get_context())


def address_of(source: Any) -> str | None:
    """Return the address that a source's `url` stands for, also while it is being configured; None
    without one."""
    url = source._Source__config.get_str("url", None)
    if url is None:
        return None
    project = source._get_project()
    return str(project.translate_url(url, source=source, first_pass=source._Source__first_pass))


def file_directory(source: Any) -> Path | None:
    """Return where a plugin keeps files of a source's URL by their checksums; None for one that does not."""
    return Path(source._mirror_dir) if isinstance(source, DownloadableFileSource) else None


def _mirror_directory(source: Any) -> str:
    keeper = keeper_of(source)
    kind = source.get_kind()
    directory = None if keeper is None else keeper.plugin_directory(kind, address_of(source))
    if directory is None:
        directory = Path(source._get_context().sourcedir) / kind
    directory.mkdir(parents=True, exist_ok=True)
    return str(directory)
