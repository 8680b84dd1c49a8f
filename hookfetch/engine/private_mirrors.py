"""Where BuildStream's plugins keep what they download, and the sources that it makes to try other addresses:
private names, as in `private_api`, and nothing that decides.
"""
# ruff: noqa: SLF001 - this module is one of the places for it

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from buildstream import DownloadableFileSource, Source


class Keeper(Protocol):
    """Says where a plugin keeps its mirrors."""

    def plugin_directory(self, kind: str, url: str | None) -> Path | None:
        """Return the directory of a source of `kind` from `url`; None: where BuildStream would have it."""


_keepers: WeakKeyDictionary[Any, Keeper] = WeakKeyDictionary()
_keepers_of: dict[str, Keeper] = {}  # by an element's name


def keep_mirrors(context: Any, keeper: Keeper) -> None:
    """Have `keeper` say where the plugins of sources loaded in `context` keep their mirrors."""
    _keepers[context] = keeper
    Source.get_mirror_directory = _mirror_directory


@contextmanager
def keep_mirrors_of(element: str, keeper: Keeper) -> Iterator[None]:
    """Have `keeper` say it of the sources of one element, for a `with` block."""
    _keepers_of[element] = keeper
    try:
        yield
    finally:
        del _keepers_of[element]


def keeper_of(source: Any) -> Keeper | None:
    """Return who says where a source's plugin keeps its mirrors; None when BuildStream does."""
    own = _keepers_of.get(source._Source__element_name)
    return own if own is not None else _keepers.get(source._get_context())


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


def keep_file(source: Any, path: Path, digest: str, etag: str | None) -> None:
    """Have a plugin find the file at `path`, in its own directory, as that of its URL with the SHA-256
    `digest`, and ask for it again by `etag` alone."""
    path.replace(source._get_mirror_file(digest))
    if etag is not None:
        source._store_etag(digest, etag)


def with_those_made_of(source: Any, do: Callable[[Any], None]) -> None:
    """Do something with a source, and with each that BuildStream makes of it for an address that it tries."""
    make = source._Source__clone_for_uri

    def made(address: Any) -> Any:
        clone = make(address)
        do(clone)
        return clone

    do(source)
    source._Source__clone_for_uri = made


def watch_addresses(sources: Iterable[Any], check: Callable[[str], None]) -> None:
    """Have `check` called with each address that the plugins of `sources` are about to use, also of a
    submodule that an upstream declares, before they use it."""
    for source in sources:
        with_those_made_of(source, partial(_watch, check))


def _watch(check: Callable[[str], None], source: Any) -> None:
    source.translate_url = partial(_translate, source.translate_url, check)


def _translate(translate: Callable[..., str], check: Callable[[str], None], *what: Any, **how: Any) -> str:
    address = translate(*what, **how)
    check(address)
    return address


def _mirror_directory(source: Any) -> str:
    keeper = keeper_of(source)
    kind = source.get_kind()
    directory = None if keeper is None else keeper.plugin_directory(kind, address_of(source))
    if directory is None:
        directory = Path(source._get_context().sourcedir) / kind
    directory.mkdir(parents=True, exist_ok=True)
    return str(directory)
