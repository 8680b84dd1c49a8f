"""What a gateway asks coordinators before it answers with an original, and what they answer: which of their
elements have a source there. Pure.

What no element of a project has for a source does not exist for the project's clients.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hookfetch.core.files import file_of
from hookfetch.core.questions import Question
from hookfetch.core.repository import identify
from hookfetch.core.sources import Element, Source
from hookfetch.core.tracking import rules

MOST = 20  # sources in an answer: every one of them is as good

# Kinds of one commit of one repository, of which one mirror is kept: `hookfetch.engine.mirrors`.
_GIT = frozenset({"git", "git_repo", "git_tag"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersAsked(Question):
    """Which elements have a source at `url`? The coordinators of `projects` answer.

    It is the address of a repository (`branch`: those that follow that branch alone come first), or of a
    file; with `digest` (SHA-256 in hexadecimal) also files that are committed with it, wherever they are.
    """

    projects: tuple[str, ...]
    kind: Literal["git", "files"]
    url: str
    branch: str | None = None
    digest: str | None = None
    type: Literal["users_asked"] = "users_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A source of an element, at the address `url` as the project has it; `follows` if it is at the newest
    commit of the branch that was asked about, or at the newest file, each time that it is tracked."""

    element: str
    index: int
    url: str
    follows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersTold:
    """The sources of a project, at most `MOST`; those that follow first."""

    project: str
    epoch: int
    users: tuple[User, ...] = ()
    type: Literal["users_told"] = "users_told"


def users(elements: Iterable[Element], asked: UsersAsked) -> tuple[User, ...]:
    """Return the sources of `elements` that a question means."""
    found = list(_of_repository(elements, asked) if asked.kind == "git" else _of_file(elements, asked))
    return tuple(sorted(found, key=lambda user: not user.follows)[:MOST])


def _of_repository(elements: Iterable[Element], asked: UsersAsked) -> Iterator[User]:
    wanted = identify(asked.url)
    if wanted is None:
        return
    for element, source in _sources(elements):
        if source.kind in _GIT and any(identify(url) == wanted for url in source.urls):
            follows = asked.branch is not None and _follows(source, f"refs/heads/{asked.branch}")
            yield User(element=element.name, index=source.index, url=source.urls[0], follows=follows)


def _of_file(elements: Iterable[Element], asked: UsersAsked) -> Iterator[User]:
    for element, source in _sources(elements):
        url = file_of(source)
        if url is not None and (asked.url in source.urls or (asked.digest or "") == source.ref):
            yield User(element=element.name, index=source.index, url=url, follows=asked.url == url)


def _sources(elements: Iterable[Element]) -> Iterator[tuple[Element, Source]]:
    return ((element, source) for element in elements for source in element.sources if source.urls)


def _follows(source: Source, ref: str) -> bool:
    """Return whether tracking takes what `ref` is at, and looks at no other branch."""
    rule = rules(source)
    if rule is None or len(rule.choices) != 1:
        return False
    return rule.matches(ref) and all(each.exact for each in rule.choices[0])
