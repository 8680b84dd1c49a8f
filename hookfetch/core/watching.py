"""Which feeds are asked for an element, and which of their releases is news to it? Pure.

Archives alone have a version in their address that tracking never moves. A git source follows its tags by
itself, and is none of this.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from hookfetch.core.bumps import version_in
from hookfetch.core.derivation import Feed, derive
from hookfetch.core.events import ReleaseFound
from hookfetch.core.feeds import FeedKey
from hookfetch.core.policy import ElementPolicy, Policy
from hookfetch.core.releases import Release
from hookfetch.core.said_feeds import said
from hookfetch.core.sources import Element, Source
from hookfetch.core.versions import Rules, choose, in_file, is_prerelease

FirstSeen = Mapping[str, datetime]  # by version

_MOST_URLS = 100  # of a fact
_KINDS = frozenset({"tar", "zip", "remote", "deb"})
_UNDERIVED = "nothing can be derived from its address: name a feed in its public data"
_MOST_DERIVED = 20_000  # projects share their upstreams, and are loaded again and again


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """An element's sources that hold the version `current`, and the feed that tells of others; without one
    `why` says why not."""

    element: str
    current: str | None
    feed: Feed | None
    rules: Rules = field(default_factory=Rules)
    why: str | None = None


def watches(element: Element, policy: ElementPolicy, python_index: str | None = None) -> tuple[Watch, ...]:
    """Return what is asked for an element: one for each version that its archives hold, none where it has no
    archive at an http(s) address."""
    archives = [(source, url) for source in element.sources if (url := _url(source))]
    if not archives:
        return ()
    rules = Rules(
        series=policy.series,
        prereleases=policy.prereleases,
        minimum_age=timedelta(seconds=policy.minimum_age),
    )
    found: dict[str, Watch] = {}
    for source, url in archives:
        current = source.version or _version_in(url) or source.version_guess
        if current is None:
            continue
        feed, why = _feed(element.name, url, current, policy.feed, python_index)
        known = found.get(current)
        if known is None or (known.feed is None and feed is not None):
            named = rules if feed is None else replace(rules, name=feed.name)
            found[current] = Watch(element=element.name, current=current, feed=feed, rules=named, why=why)
    none = Watch(element=element.name, current=None, feed=None, why="no address of it has a version")
    return tuple(found.values()) or (none,)


def all_watches(
    elements: Iterable[Element], policy: Policy, python_index: str | None = None
) -> tuple[Watch, ...]:
    """Return what is asked for a project's elements; nothing for those that stay as they are."""
    ruled = ((element, policy.of(element.name)) for element in elements)
    return tuple(
        watch
        for element, said_of_it in ruled
        if not said_of_it.stays
        for watch in watches(element, said_of_it, python_index)
    )


def news(
    watch: Watch, releases: Sequence[Release], first_seen: FirstSeen, now: float, teller: str
) -> ReleaseFound | None:
    """Return the fact that an element is to be updated, None where there is nothing newer for it. Its id is
    the same however often the same `teller` tells it."""
    feed, current = watch.feed, watch.current
    if feed is None or current is None:
        return None
    release = choose(current, releases, watch.rules, datetime.fromtimestamp(now, UTC), first_seen)
    if release is None or release.version is None:
        return None
    told = "\n".join((teller, watch.element, current, release.version))
    delivery = f"sweep/feed/{hashlib.sha256(told.encode()).hexdigest()[:24]}"
    return ReleaseFound(
        id=f"{delivery}#0",
        delivery_id=delivery,
        observed_at=now,
        element=watch.element,
        current=current,
        version=release.version,
        tag=release.tag,
        feed=feed.url,
        urls=tuple(url for url in release.urls if _is_file(url))[:_MOST_URLS],
        page=next((url for url in release.urls if not _is_file(url)), None),
        published=release.published.timestamp() if release.published is not None else None,
        prerelease=bool(release.prerelease) or is_prerelease(release.version),
    )


def _next_of_age(
    watch: Watch, releases: Sequence[Release], first_seen: FirstSeen, now: float
) -> float | None:
    """Return when a release that is too young now is old enough for the element, in Unix seconds; None where
    there is none."""
    if not watch.rules.minimum_age or watch.current is None:
        return None
    at = datetime.fromtimestamp(now, UTC)
    release = choose(watch.current, releases, replace(watch.rules, minimum_age=timedelta(0)), at, first_seen)
    if release is None or release.version is None:
        return None
    begun = release.published
    if begun is None or begun > at:
        begun = first_seen.get(release.version, at)
    due = (begun + watch.rules.minimum_age).timestamp()
    return due if due > now else None


def judged(
    watches: Iterable[Watch], releases: Sequence[Release], first_seen: FirstSeen, now: float, teller: str
) -> tuple[list[ReleaseFound], float | None]:
    """Return the news for those who watch, and when the next release is old enough for one of them, in Unix
    seconds; None where none is waited for."""
    facts, ages = [], []
    for watch in watches:
        fact = news(watch, releases, first_seen, now, teller)
        facts += [fact] if fact is not None else []
        age = _next_of_age(watch, releases, first_seen, now)
        ages += [age] if age is not None else []
    return facts, min(ages, default=None)


def by_feed(watches: Iterable[Watch]) -> dict[FeedKey, tuple[Watch, ...]]:
    """Return who watches which feed."""
    found: dict[FeedKey, list[Watch]] = {}
    for watch in watches:
        if watch.feed is not None:
            found.setdefault((watch.feed.kind, watch.feed.url), []).append(watch)
    return {key: tuple(several) for key, several in found.items()}


def last_published(releases: Iterable[Release], now: float) -> float | None:
    """Return when the newest release was published, in Unix seconds; times ahead of ours are no news."""
    times = [each.published.timestamp() for each in releases if each.published is not None]
    return max((time for time in times if time <= now), default=None)


def _url(source: Source) -> str | None:
    url = source.urls[0] if source.urls else ""
    usable = source.kind in _KINDS and url.lower().startswith(("http://", "https://"))
    return url if usable else None


def _feed(
    element: str, url: str, current: str, word: str | None, python_index: str | None
) -> tuple[Feed | None, str | None]:
    if word is None:
        feed = _derived(url, current, python_index)
        return feed, None if feed else _UNDERIVED
    try:
        feed = said(word)
    except ValueError as error:  # checked where it was read
        return None, f"{element}: feed: {error}"
    if feed is None:
        return None, "its policy has `feed: none`"
    spelled = in_file(urlsplit(url).path.rpartition("/")[2])
    listed = feed.kind in ("html_index", "nginx_json_index", "sourceforge_rss")
    return replace(feed, name=spelled.name or None) if listed and spelled else feed, None


def _is_file(url: str) -> bool:
    return in_file(urlsplit(url).path.removesuffix("/download").rpartition("/")[2]) is not None


@lru_cache(maxsize=_MOST_DERIVED)
def _derived(url: str, current: str, python_index: str | None) -> Feed | None:
    return derive(url, current, python_index)


@lru_cache(maxsize=_MOST_DERIVED)
def _version_in(url: str) -> str | None:
    return version_in(url)
