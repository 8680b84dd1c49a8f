"""What happened at an upstream between two looks? Refs before and after in, facts out. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hookfetch.core.events import BranchDeleted, BranchPushed, Fact, TagDeleted, TagPushed
from hookfetch.core.matching import Follower
from hookfetch.core.refs import holds
from hookfetch.core.repository import RepositoryId

RefFact = BranchPushed | TagPushed | BranchDeleted | TagDeleted

HOOKED_FOR = 28 * 86400.0  # seconds since a delivery told of a repository, in which others are expected

_LOOKS = "sweep/"  # no hook may have this name


def look_id(place: str, number: str) -> str:
    """Return what stands for a delivery where the sweep found something at `place` in look `number`."""
    return f"{_LOOKS}{place}/{number}"


_TAGS = "refs/tags/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRef:
    """Where a remote ref points: `oid` in hex, and for an annotated tag what it is a tag of."""

    oid: str
    peeled: str | None = None

    @property
    def commit(self) -> str:
        """Return the commit behind a tag, or the ref's own."""
        return self.peeled or self.oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a repository: `refs` at `seen_at` (Unix seconds). `id` belongs to this look alone;
    `urls` are those that elements write."""

    id: str
    repository: RepositoryId
    urls: tuple[str, ...]
    refs: Mapping[str, RemoteRef]
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the past says about a repository, in Unix seconds: its refs were `seen_at` first as they are, and
    a look found at `changed_at` that they had changed (None: not yet). A delivery `told_at` last what moved
    there; at `missed_at` one should have, and did not."""

    seen_at: float
    changed_at: float | None = None
    told_at: float | None = None
    missed_at: float | None = None


def followed(refs: Mapping[str, RemoteRef], followers: Sequence[Follower]) -> dict[str, RemoteRef]:
    """Return those of `refs` that some follower's rule matches: all that is worth remembering."""
    rules = dict.fromkeys(follower.rule for follower in followers)
    return {name: ref for name, ref in refs.items() if any(rule.matches(name) for rule in rules)}


def observe(
    look: Observation,
    known: Mapping[str, RemoteRef] | None,
    settled: Sequence[Follower],
    newcomers: Sequence[Follower] = (),
) -> list[RefFact]:
    """Return what `look` says to its followers, in the order of the refs' names.

    `known` are the followed refs at the last look, None before the first. `settled` followers
    were there at that look and are told of every ref that came, moved or went. Newcomers (at
    the first look everyone) have nothing to compare with: they are told of the ref that their
    rule selects, if the source's committed ref does not hold its commit.
    """
    followers = (*settled, *newcomers)
    if known is None:
        known, settled, newcomers = {}, (), followers
    seen = followed(look.refs, followers)
    changed = {name for name in seen.keys() | known.keys() if seen.get(name) != known.get(name)}
    told = set(_behind(seen, newcomers))
    # A ref that newly matches is news only to a rule that was there before; else a new glob would
    # tell of every tag there is.
    told |= {name for name in changed & known.keys() if _matches(followers, name)}
    told |= {name for name in changed - known.keys() if _matches(settled, name)}
    delivery = look_id(look.repository, look.id)
    return [
        _fact(look, delivery, ordinal, name, known.get(name), seen.get(name))
        for ordinal, name in enumerate(sorted(told))
    ]


def is_swept(fact: Fact) -> bool:
    """Return whether a fact was found by a look, and not told by a delivery."""
    return fact.delivery_id.startswith(_LOOKS)


def news(
    facts: Iterable[RefFact], known: Mapping[str, RemoteRef] | None, settled: Sequence[Follower]
) -> list[RefFact]:
    """Return those of an observation's `facts` that tell of a change since the last look, which a hook
    should tell of, too. The others tell newcomers where they are behind."""
    if known is None:
        return []
    found = []
    for fact in facts:
        was = known.get(fact.ref)
        moved = was is None or isinstance(fact, BranchDeleted | TagDeleted) or was.oid != fact.after
        if moved and (was is not None or _matches(settled, fact.ref)):
            found.append(fact)
    return found


def _matches(followers: Sequence[Follower], name: str) -> bool:
    return any(follower.rule.matches(name) for follower in followers)


def _behind(seen: Mapping[str, RemoteRef], followers: Iterable[Follower]) -> Iterable[str]:
    for follower in followers:
        for name in follower.rule.selects(seen):
            if not holds(follower.source.ref, seen[name].commit):
                yield name


def _fact(
    look: Observation, delivery: str, ordinal: int, name: str, was: RemoteRef | None, now: RemoteRef | None
) -> RefFact:
    is_tag = name.startswith(_TAGS)
    before = None if was is None else was.oid
    if now is None:
        return (TagDeleted if is_tag else BranchDeleted)(
            id=f"{delivery}#{ordinal}",
            delivery_id=delivery,
            observed_at=look.seen_at,
            repositories=(look.repository,),
            urls=look.urls,
            ref=name,
            before=before,
        )
    return (TagPushed if is_tag else BranchPushed)(
        id=f"{delivery}#{ordinal}",
        delivery_id=delivery,
        observed_at=look.seen_at,
        repositories=(look.repository,),
        urls=look.urls,
        ref=name,
        before=before,
        after=now.oid,
        target=now.commit,
    )
