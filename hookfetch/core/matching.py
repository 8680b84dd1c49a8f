"""Which elements follow a repository and a ref? Pure.

The index is built once after a load and asked for every fact; a look-up costs the same in a
project of ten elements and of a hundred thousand.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from hookfetch.core.files import file_of
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.core.sources import Element, Source
from hookfetch.core.tracking import FollowRule, rules


@dataclass(frozen=True, slots=True)
class Follower:
    """One source of an element that moves when a matching ref of its repository does. The project itself
    is one of its own branch, with an empty name (`OwnBranch`)."""

    element: str
    source: Source
    rule: FollowRule


@dataclass(frozen=True, slots=True)
class Index:
    """Every followed repository of a project by identity; make it with `of`.

    A source is found by its primary URL and by each of its mirrors.
    """

    _elements: Mapping[str, Element]
    _followers: Mapping[RepositoryId, tuple[Follower, ...]]
    _urls: Mapping[RepositoryId, tuple[str, ...]]
    _own: tuple[RepositoryId, Follower] | None = None
    _files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        elements: Iterable[Element],
        own: tuple[RepositoryId, Follower] | None = None,
        still: Container[str] = (),
    ) -> "Index":
        """Return the index of `elements`; followers keep their order. `own` is the project's own repository
        and itself as a follower of it; the elements `still` are there and follow nothing."""
        by_name = {element.name: element for element in elements}
        followers: dict[RepositoryId, list[Follower]] = {}
        urls: dict[RepositoryId, dict[str, None]] = {}
        named: dict[str, RepositoryId | None] = {}  # projects repeat their URLs; parsing is what costs
        same: dict[FollowRule, FollowRule] = {}  # and their rules
        files: dict[str, dict[str, None]] = {}
        for element in by_name.values():
            for source in () if element.name in still else element.sources:
                if (file := file_of(source)) is not None:
                    files.setdefault(file, {})[element.name] = None
                rule = rules(source)
                if rule is None:
                    continue
                follower = Follower(element.name, source, same.setdefault(rule, rule))
                places: dict[RepositoryId, None] = {}
                for number, url in enumerate(source.urls):
                    if url not in named:
                        named[url] = identify(url)
                    if (place := named[url]) is None:
                        continue
                    places[place] = None
                    if number == 0:
                        urls.setdefault(place, {})[url] = None
                for place in places:
                    followers.setdefault(place, []).append(follower)
        return cls(
            by_name,
            {place: tuple(found) for place, found in followers.items()},
            {place: tuple(found) for place, found in urls.items()},
            own,
            {url: tuple(names) for url, names in files.items()},
        )

    def element(self, name: str) -> Element | None:
        """Return the element of this name, or None."""
        return self._elements.get(name)

    def elements(self) -> Iterable[Element]:
        """Return every element."""
        return self._elements.values()

    def followers(self, repository: RepositoryId) -> tuple[Follower, ...]:
        """Return the sources that follow `repository`, by its own URL or as a mirror."""
        return self._followers.get(repository, ())

    def askers(self, repository: RepositoryId) -> tuple[Follower, ...]:
        """Return who wants the sweep to ask `repository`: its followers, and the project where it is its
        own."""
        if self._own is None or self._own[0] != repository:
            return self.followers(repository)
        return (self._own[1], *self.followers(repository))

    def affected(self, repositories: Iterable[RepositoryId], ref: str) -> tuple[str, ...]:
        """Return each element once that follows the full `ref` in any of `repositories`, in stable order."""
        found = (
            follower.element
            for repository in repositories
            for follower in self.followers(repository)
            if follower.rule.matches(ref)
        )
        return tuple(dict.fromkeys(found))

    def files(self) -> Mapping[str, tuple[str, ...]]:
        """Return the addresses of the files that are sources, and the elements of each."""
        return self._files

    def identities(self) -> frozenset[RepositoryId]:
        """Return every identity that a fact may name to reach this project: what its queue is bound to."""
        own = () if self._own is None else (self._own[0],)
        return frozenset((*self._followers, *own))

    def repositories(self) -> Mapping[RepositoryId, tuple[str, ...]]:
        """Return the repositories to ask and the URLs that elements write for each, in their order.

        Mirrors are not among them: they lag behind, and tracking asks the primary URL.
        """
        if self._own is None:
            return self._urls
        place, project = self._own
        return {place: project.source.urls, **self._urls}
