"""What a newer version changes in an element as it is written: ways to be tried in order. Pure, given the
texts; nothing is asked whether it exists.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from hookfetch.core.bumps import Bump, NoBump, Versioned, bumps, expanded, version_in
from hookfetch.core.events import SourceRef
from hookfetch.core.moves import NotMoved, SourceMove, ValueChange, WantedMove
from hookfetch.core.versions import Version
from hookfetch.core.versions.forms import Move
from hookfetch.edits import Refused
from hookfetch.updates.as_written import AsWritten, as_written
from hookfetch.updates.places import Places

MOST_WAYS = 16  # that are tried
_MOST_KNOWN = 200  # files of a release


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An element as BuildStream has loaded it: its sources, and the variables with those in them resolved;
    `others` are the names of all other elements."""

    name: str
    sources: Sequence[SourceRef]
    variables: Mapping[str, str]
    others: Iterable[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From the version `old`: what changes of each source that moves, by its index."""

    old: str
    moves: Mapping[int, SourceMove]


def ways(places: Places, loaded: Loaded, wanted: WantedMove) -> Iterator[Way]:
    """Yield the ways in which the element moves to the wanted version, the likeliest first; NotMoved where
    there is none, or the version is not newer than what the files have."""
    try:
        written = as_written(places, loaded.name, loaded.sources)
        yield from islice(_ways(places, loaded, written, wanted), MOST_WAYS)
    except (NoBump, Refused) as error:
        raise NotMoved(str(error)) from error


def _ways(places: Places, loaded: Loaded, written: AsWritten, wanted: WantedMove) -> Iterator[Way]:
    variables = {**loaded.variables, **written.variables}
    _require_read(loaded, written, variables)
    sources = [Versioned(url=each.url, keys=each.keys) for each in written.sources.values()]
    shared: str | None = None
    for old in _olds(sources, variables, wanted):
        if not Version(wanted.version) > Version(old):
            raise NotMoved(f"{wanted.version} is not newer than {old}, which the project has")
        known = dict(islice(_known(loaded, written, variables, wanted.urls), _MOST_KNOWN))
        for bump in bumps(sources, variables, Move(old, wanted.version), known):
            moves = _moves(written, bump, variables, Move(old, wanted.version))
            shared = _shared(places, loaded, written, bump, moves)
            if shared is None:
                yield Way(old=old, moves=moves)
        if shared is not None:
            raise NotMoved(shared)
        return


def _olds(sources: Sequence[Versioned], variables: Mapping[str, str], wanted: WantedMove) -> list[str]:
    """Return the version that the sources have: the one that the feed was compared with, else, where an
    earlier move has not landed, that in their URLs."""
    texts = [expanded(each.url, variables) for each in sources]
    texts += [expanded(each.keys["track"], variables) for each in sources if "track" in each.keys]
    move = Move(wanted.current, wanted.version)
    if any(map(move.is_in, texts)):
        return [wanted.current]
    found = [version for text in texts if (version := version_in(text)) is not None]
    if not found:
        raise NoBump(f"no source of the element has the version {wanted.current} in its URL or tag")
    return found[:1]


def _require_read(loaded: Loaded, written: AsWritten, variables: Mapping[str, str]) -> None:
    """Return if the texts come to what BuildStream has loaded; NoBump where a condition, an option or a
    plugin's default says otherwise."""
    for source in loaded.sources:
        each = written.sources.get(source.index)
        if each is None or source.url is None:
            continue
        _, colon, rest = expanded(each.url, variables).partition(":")
        if not (colon and source.url.endswith(rest)):
            raise NoBump(f"source {source.index} is not loaded from {each.url!r}, as {each.path} has it")


def _known(
    loaded: Loaded, written: AsWritten, variables: Mapping[str, str], urls: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the release's files, as the feed gives them, by name, as URLs of the project; those that are not
    below an address that the project names itself are left out."""
    for source in loaded.sources:
        each = written.sources.get(source.index)
        if each is None or source.url is None:
            continue
        alias, _, rest = expanded(each.url, variables).partition(":")
        plain = rest.startswith("//")
        base = _host(source.url) if plain else source.url.removesuffix(rest)
        for url in (url.partition("#")[0] for url in urls if url.isprintable() and "%{" not in url):
            below = url.removeprefix(base)
            if base and below != url and ".." not in below.split("/"):
                yield url.rpartition("/")[2], url if plain else f"{alias}:{below}"


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _moves(written: AsWritten, bump: Bump, variables: Mapping[str, str], move: Move) -> dict[int, SourceMove]:
    afterwards = {**variables, **bump.variables}
    changes = tuple(
        ValueChange(key=name, before=variables[name], after=value) for name, value in bump.variables.items()
    )
    moves: dict[int, SourceMove] = {}
    for (index, source), moved in zip(written.sources.items(), bump.sources, strict=True):
        old = {"url": source.url, **source.keys}
        new = {"url": moved.url, **moved.keys}
        given = {
            key: value
            for key, text in new.items()
            if (value := expanded(text, afterwards)) != expanded(old[key], variables)
        }
        if not given:
            continue
        if any("%{" in value for value in given.values()):
            raise NoBump(f"source {index} holds a variable that no file of the project has")
        moves[index] = SourceMove(
            old=move.old,
            new=move.new,
            given=given,
            keys=tuple(
                ValueChange(key=key, before=old[key], after=text)
                for key, text in new.items()
                if text != old[key]
            ),
            variables=changes,
        )
    return moves


def _shared(
    places: Places, loaded: Loaded, written: AsWritten, bump: Bump, moves: Mapping[int, SourceMove]
) -> str | None:
    """Return why the variables cannot change: they are no file's, or other elements read them."""
    beside: set[str] = {written.own, *(written.sources[index].path for index in moves)}
    for name in bump.variables:
        path = written.files.get(name)
        if path is None:
            return f"the variable {name} stands in no file of the project"
        # What stands in one file with the sources changes for all who include it, refs too.
        if path in beside:
            continue
        for other in loaded.others:
            if other != loaded.name and ":" not in other and _reads(places, other, name):
                return f"the variable {name} of {path} is read by {other}, too, which would not move with it"
    return None


def _reads(places: Places, element: str, name: str) -> bool:
    own = places.element_file(element)
    return any(f"%{{{name}}}" in (places.text(path) or "") for path in places.with_included(own))
