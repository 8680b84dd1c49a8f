"""Moves an element to a newer version: which of the ways that its texts allow leads to archives that are
there, and are what was published. Downloads each once, into the originals, where the plugins find it.

Writes nothing of the project, and decides nothing about what is announced.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hookfetch.core.archives import mistaken
from hookfetch.core.checksums import places_of_sums, sum_in, sum_told
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.events import SourceRef
from hookfetch.core.moves import NotMoved, SourceMove, Unmoved, Upgrade, WantedMove
from hookfetch.engine import private_api as bst
from hookfetch.engine.bumping.downloads import Downloaded, Downloads
from hookfetch.engine.describing import urls_of
from hookfetch.engine.private_mirrors import file_directory, keep_file
from hookfetch.engine.source_mirrors import SourceMirrors
from hookfetch.engine.tracking import tracked
from hookfetch.updates.checkout import Checkout
from hookfetch.updates.moving import Loaded, Way, ways
from hookfetch.updates.places import Places

_ARCHIVES = frozenset({"deb", "remote", "tar", "zip"})
_REPOSITORIES = frozenset({"git", "git_repo", "git_tag"})

# Makes an element's sources anew, with these refs, and moved so.
Fresh = Callable[[Sequence[bst.RefKeys | None], Mapping[int, SourceMove]], Any]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a job of an element begins with: the `keys` of each source's ref, and the `moves` that are
    announced and not in the branch yet. `fresh` makes the sources anew."""

    keys: Sequence[bst.RefKeys | None]
    moves: Mapping[int, SourceMove]
    fresh: Fresh

    def moved(self, way: Way) -> dict[int, Any]:
        """Return the sources that this way moves, without refs."""
        keys = [None if index in way.moves else key for index, key in enumerate(self.keys)]
        sources = list(self.fresh(keys, {**self.moves, **way.moves}).sources())
        return {index: sources[index] for index in way.moves}


@dataclass(frozen=True, slots=True)
class Made:
    """A move that can be made, with those that were announced before: the `keys` of each source's ref, None
    for one that is to be tracked."""

    moves: Mapping[int, SourceMove]
    keys: list[bst.RefKeys | None]
    upgrade: Upgrade

    @property
    def is_tracked(self) -> bool:
        """Return whether nothing is left to be tracked."""
        return self.moves.keys() == set(range(len(self.keys))) and None not in self.keys


class Mover:
    """Moves elements of the project in the folder `project`, whose archives are kept as `mirrors` says and
    have at most `most` bytes; all downloads of a move have `within` seconds."""

    def __init__(self, project: Path, mirrors: SourceMirrors, most: int, within: float) -> None:
        self._project = project
        self._mirrors = mirrors
        self._most = most
        self._within = within

    def attempt(
        self, wanted: WantedMove, name: str, element: Any, elements: Iterable[str], beginning: Beginning
    ) -> tuple[Made | None, Unmoved | None]:
        """Return the move with the refs of all sources, tracked where that is to be done, or why it is not
        made."""
        try:
            made = self.make(wanted, name, element, elements, beginning)
            if not made.is_tracked:
                fresh = beginning.fresh(made.keys, made.moves)
                made = replace(made, keys=tracked(self._mirrors, fresh))
        except NotMoved as error:
            why, waits = str(error), error.waits
        except bst.BuildStreamError as error:  # of a tag that is not there yet
            why, waits = str(error), True
        else:
            return made, None
        return None, Unmoved(version=wanted.version, reason=" ".join(why.split()), waits=waits)

    def make(
        self, wanted: WantedMove, name: str, element: Any, elements: Iterable[str], beginning: Beginning
    ) -> Made:
        """Return what the first way comes to that can be gone; NotMoved, with the first one's reason, when
        there is none. `elements` are the names of all there are."""
        loaded = Loaded(
            name=name,
            sources=_described(element),
            variables=bst.variables_of(element),
            others=elements,
        )
        try:
            places = Places(Checkout(self._project))
        except ConfigurationError as error:
            raise NotMoved(str(error)) from error
        missing: str | None = None
        with closing(Downloads(self._most, self._within)) as downloads:
            for way in ways(places, loaded, wanted):
                moved = beginning.moved(way)
                why = _why_not(moved, downloads)
                if why is None:
                    return self._made(wanted, way, moved, beginning, downloads)
                missing = missing or why
        raise NotMoved(
            missing or f"{name} cannot be written with {wanted.version}", waits=missing is not None
        )

    def _made(
        self,
        wanted: WantedMove,
        way: Way,
        moved: Mapping[int, Any],
        beginning: Beginning,
        downloads: Downloads,
    ) -> Made:
        keys: list[bst.RefKeys | None] = list(beginning.keys)
        with self._mirrors.held(moved.values()), self._mirrors.alone(moved.values()):
            for index, source in moved.items():
                in_file = source.get_kind() in _ARCHIVES
                keys[index] = {"ref": _archive(source, wanted, downloads)} if in_file else None
        upgrade = Upgrade(old=way.old, new=wanted.version, feed=wanted.feed, tag=wanted.tag, page=wanted.page)
        return Made({**beginning.moves, **way.moves}, keys, upgrade)


def _why_not(moved: Mapping[int, Any], downloads: Downloads) -> str | None:
    """Return why an archive among the moved sources is not there, None when all may be."""
    for source in moved.values():
        kind = source.get_kind()
        if kind not in _ARCHIVES | _REPOSITORIES:
            raise NotMoved(f"hookfetch moves no source of kind {kind} to another version")
        if kind in _ARCHIVES and (why := downloads.is_there(_url(source))) is not None:
            return why
    return None


def _archive(source: Any, wanted: WantedMove, downloads: Downloads) -> str:
    """Have the archive of a moved source where its plugin looks for it; return its SHA-256."""
    url = _url(source)
    folder = file_directory(source)
    assert folder is not None
    found = downloads.fetch(url, folder)
    try:
        why = mistaken(source.get_kind(), url.rpartition("/")[2], found.head)
        if why is not None:
            raise NotMoved(f"{url} {why}")
        _require_published(url, found, wanted, downloads)
        keep_file(source, found.path, found.digest, found.etag)
    finally:
        found.path.unlink(missing_ok=True)
    return found.digest


def _require_published(url: str, found: Downloaded, wanted: WantedMove, downloads: Downloads) -> None:
    """Return if the archive has the checksum that is published of it, or none is; else NotMoved."""
    told = {each.partition("#")[0]: sum_told(each) for each in wanted.urls}
    digest, where = told.get(url), wanted.feed
    for place in places_of_sums(url) if digest is None else ():
        text = downloads.text(place)
        digest, where = None if text is None else sum_in(text, url.rpartition("/")[2]), place
        if digest is not None:
            break
    if digest is not None and digest != found.digest:
        raise NotMoved(f"{url} has the SHA-256 {found.digest}, and {where} says {digest}")


def _described(element: Any) -> tuple[SourceRef, ...]:
    return tuple(
        SourceRef(
            index=index,
            kind=source.get_kind(),
            url=next(iter(urls_of(source)), None),
            ref=None,
        )
        for index, source in enumerate(bst.sources_of(element))
    )


def _url(source: Any) -> str:
    return urls_of(source)[0]
