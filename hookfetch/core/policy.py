"""What policy asks of an element, by whose word, and when its work is due by that. Pure: no clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from hookfetch.core.globs import Glob

Reaction = Literal["follow", "hold"]

PROJECT_FILE = "hookfetch.toml"  # at the top of a BuildStream project

# A stream of pushes postpones a job at most this many times its debounce after the first of them.
MOST_DEBOUNCES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementPolicy:
    """What holds for one element; `debounce`, `minimum_interval` and `minimum_age` are in seconds.

    A `pin` keeps its refs as the branch has them; one to `ignore` is not worked on at all.
    `rewritten_branch` is for branches that were forced or deleted, `moved_tag` for tags that
    point elsewhere than before or are gone. A branch belongs to its authors and moves by nature;
    a tag is a promise, and one that is broken looks the same as an attack: a person decides.
    `feed` is where its releases are told of (`said_feeds`), None: what is derived; `series` and
    `prereleases` are as in `versions.Rules`.
    """

    pin: bool = False
    ignore: bool = False
    debounce: float = 0.0
    minimum_interval: float = 0.0
    minimum_age: float = 0.0
    rewritten_branch: Reaction = "follow"
    moved_tag: Reaction = "hold"
    feed: str | None = None
    series: str | None = None
    prereleases: bool | None = None

    @property
    def stays(self) -> bool:
        """Return whether the element keeps its refs as the branch has them."""
        return self.pin or self.ignore

    def holds(self, kind: str) -> bool:
        """Return whether an alarm of this kind keeps the element where it is."""
        return (self.moved_tag if kind.startswith("tag_") else self.rewritten_branch) == "hold"

    def due(self, now: float, first: float, started: float | None, released: float | None = None) -> float:
        """Return when background work is due that was asked for at `first` and again at `now`, where
        the last background job of the element started at `started`; all in Unix seconds. A tag
        that was first heard of at `released` is to be old enough by then."""
        due = min(now + self.debounce, first + MOST_DEBOUNCES * self.debounce)
        if started is not None:
            due = max(due, started + self.minimum_interval)
        return due if released is None else max(due, released + self.minimum_age)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKeys:
    """What one place says of an element, as in `ElementPolicy`; None where it says nothing."""

    pin: bool | None = None
    ignore: bool | None = None
    debounce: float | None = None
    minimum_interval: float | None = None
    minimum_age: float | None = None
    rewritten_branch: Reaction | None = None
    moved_tag: Reaction | None = None
    feed: str | None = None
    series: str | None = None
    prereleases: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """What holds for the elements that one of the globs `elements` matches."""

    elements: tuple[str, ...]
    keys: PolicyKeys


Rules = Sequence[tuple[Sequence[Glob], PolicyKeys]]


def compiled(rules: Iterable[PolicyRule]) -> Rules:
    """Return `rules` in their order, to be matched; ValueError when a glob has no sense."""
    return [([Glob(text) for text in rule.elements], rule.keys) for rule in rules]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What three places say, the nearer over the farther, key by key: an element's own public data, then
    the project's file, then the configuration. Of a place's rules, the first that matches speaks."""

    configured: Rules = ()
    project: Rules = ()
    own: Mapping[str, PolicyKeys] = field(default_factory=dict)

    def of(self, element: str) -> ElementPolicy:
        """Return what holds for an element."""
        said = {key: value for _, keys in self._said(element) for key, value in keys.items()}
        return ElementPolicy(**said)

    def stays(self, element: str) -> str | None:
        """Return why the refs of an element stay as they are and by whose word, None where it is followed."""
        policy = self.of(element)
        if not policy.stays:
            return None
        key, word = ("ignore", "ignored") if policy.ignore else ("pin", "pinned")
        nearest = [place for place, keys in self._said(element) if key in keys][-1]
        return f"{element} is {word} by {nearest}"

    def _said(self, element: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each place that has a word on the element, the farthest first, with what it says."""
        for place, rules in (("the configuration", self.configured), (PROJECT_FILE, self.project)):
            for globs, keys in rules:
                if any(glob.matches(element) for glob in globs):
                    yield place, _given(keys)
                    break
        if element in self.own:
            yield "its own public data", _given(self.own[element])


def _given(keys: PolicyKeys) -> dict[str, Any]:
    return {key: value for key, value in asdict(keys).items() if value is not None}
