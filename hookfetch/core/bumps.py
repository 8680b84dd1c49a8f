"""An element whose sources have a version in their URLs, and a newer version: what its text becomes. Pure.

Nothing is asked whether it exists: several URLs may be possible, and whoever fetches tries them in order.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from urllib.parse import unquote, urlsplit

from hookfetch.core.errors import HookfetchError
from hookfetch.core.versions import in_file, in_tag
from hookfetch.core.versions.forms import Move

MAX_SOURCES = 64
_MAX_COMBINATIONS = 512
_MAX_DEPTH = 16
_MAX_URL = 4096  # characters
_VARIABLE = re.compile(r"%\{([A-Za-z0-9_-]+)\}")


class NoBump(HookfetchError):
    """The element cannot be moved as a whole; the one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned:
    """A source as it is written: its URL, and other keys that may hold the version (`base-dir`). That of a
    git source is in its `track`, where that is one tag."""

    url: str
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """What changes together: the sources in their order, those that stay as they were, and new values of
    variables, wherever these are written."""

    sources: tuple[Versioned, ...]
    variables: Mapping[str, str]


def version_in(url: str) -> str | None:
    """Return the version in an archive's URL: in the file's name, else in a folder of a tag."""
    try:
        parts = [unquote(part) for part in urlsplit(url.replace("%{", "{")).path.split("/") if part]
    except ValueError:
        return None
    if not parts:
        return None
    spelled = in_file(parts[-1].rpartition(":")[2])
    if spelled is None:
        tags = (part for part in reversed(parts[:-1]) if any(map(str.isdigit, part)))
        spelled = next(filter(None, map(in_tag, tags)), None)
    return spelled.version if spelled else None


def bumps(
    sources: Sequence[Versioned],
    variables: Mapping[str, str],
    move: Move,
    known_urls: Mapping[str, str] | None = None,
) -> Iterator[Bump]:
    """Yield the ways in which all sources that have the old version move to the new one, the likeliest first.

    `variables` are all that hold for the element. `known_urls`: where the release itself says its files
    are, by the files' names, written as a URL of the project is (with its alias); such a URL is taken
    in place of one that was made. NoBump where no source has the version, or one of them cannot
    follow without changing another.
    """
    if len(sources) > MAX_SOURCES:
        raise NoBump(f"the element has more than {MAX_SOURCES} sources")
    before = [expanded(source.url, variables) for source in sources]
    wanted = [_targets(url, move, known_urls or {}) for url in before]
    followed = [move.is_in(expanded(source.keys.get("track", ""), variables)) for source in sources]
    if not any(wanted) and not any(followed):
        raise NoBump(f"no source of the element has the version {move.old} in its URL or tag")
    found = False
    for values in _values(sources, variables, move):
        afterwards = {**variables, **values}
        for urls in _all_urls(sources, afterwards, before, wanted, move):
            moved = tuple(
                Versioned(url=url, keys=_keys(source, move) if targets or follows else source.keys)
                for source, url, targets, follows in zip(sources, urls, wanted, followed, strict=True)
            )
            if any(
                move.is_in(expanded(source.keys["track"], afterwards))
                for source, follows in zip(moved, followed, strict=True)
                if follows
            ):
                continue  # its tag would stay
            found = True
            yield Bump(sources=moved, variables=values)
    if not found:
        raise NoBump(
            f"the sources with version {move.old} cannot move to {move.new} together without changing others"
        )


def _targets(url: str, move: Move, known_urls: Mapping[str, str]) -> list[str]:
    """Return where an expanded URL may move to; an empty list for one without the old version."""
    if not move.is_in(url):
        return []
    made = move.rewritten(url)
    known = {_plain(name): known_url for name, known_url in known_urls.items()}
    told = [known[name] for each in made if (name := _plain(_file(each))) in known]
    return list(dict.fromkeys(told or made))


def _file(url: str) -> str:
    return url.rpartition("/")[2].rpartition(":")[2]


def _plain(file: str) -> str:
    # As PyPI names its files since 2023 (PEP 625): foo-bar-1.0.tar.gz became foo_bar-1.0.tar.gz.
    return file.casefold().replace("-", "_")


def _values(
    sources: Sequence[Versioned], variables: Mapping[str, str], move: Move
) -> Iterator[dict[str, str]]:
    """Yield what the variables in the sources' URLs may change to: first all that may, then fewer."""
    texts = [text for source in sources for text in (source.url, source.keys.get("track", ""))]
    names = list(dict.fromkeys(name for text in texts for name in _names(text, variables)))
    options = [(name, [*move.value(variables[name]), None]) for name in names if name in variables]
    choices = product(*([(name, value) for value in values] for name, values in options))
    for choice in islice(choices, _MAX_COMBINATIONS):
        yield {name: value for name, value in choice if value is not None and value != variables[name]}


def _all_urls(
    sources: Sequence[Versioned],
    variables: Mapping[str, str],
    before: Sequence[str],
    wanted: Sequence[Sequence[str]],
    move: Move,
) -> Iterator[tuple[str, ...]]:
    """Yield the sources' URLs as they are written with these variables: each leads to one of those wanted
    of it, or to where it did if none is."""
    options = [
        list(_written(source.url, variables, targets or [old], move))
        for source, old, targets in zip(sources, before, wanted, strict=True)
    ]
    # The first target of one goes with the first of another: all folders are named alike.
    most = max(map(len, options))
    if all(options):
        yield from ((*(urls[min(index, len(urls) - 1)] for urls in options),) for index in range(most))


def _written(url: str, variables: Mapping[str, str], targets: Iterable[str], move: Move) -> Iterator[str]:
    """Yield a URL as it is written, with other text around its variables where needed, for each of its
    targets that it can lead to."""
    options = [url, *move.rewritten(url)]
    for target in targets:
        if not _VARIABLE.search(url):
            yield target
        else:
            yield from islice((each for each in options if expanded(each, variables) == target), 1)


def _keys(source: Versioned, move: Move) -> dict[str, str]:
    return {key: next(iter(move.value(value)), value) for key, value in source.keys.items()}


def _names(text: str, variables: Mapping[str, str], depth: int = _MAX_DEPTH) -> Iterator[str]:
    """Yield the variables in a text, and those in their values."""
    for name in _VARIABLE.findall(text):
        yield name
        if depth and name in variables:
            yield from _names(variables[name], variables, depth - 1)


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables' values; a variable that is not known stays. NoBump where that has no
    end."""
    for _ in range(_MAX_DEPTH):
        replaced = _VARIABLE.sub(lambda found: variables.get(found[1], found.group()), text)
        if len(replaced) > _MAX_URL:
            raise NoBump(f"a URL with its variables has more than {_MAX_URL} characters")
        if replaced == text:
            return text
        text = replaced
    raise NoBump("the variables of a URL go in a circle")
