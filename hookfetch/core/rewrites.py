"""History that was rewritten or removed upstream: when is it worth an alarm, and what does it hold? Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hookfetch.core.entries import AlarmKind
from hookfetch.core.events import BranchDeleted, BranchPushed, TagDeleted, TagPushed
from hookfetch.core.matching import Follower
from hookfetch.core.observation import RemoteRef
from hookfetch.core.refs import commit_of, holds
from hookfetch.core.repository import RepositoryId
from hookfetch.core.sources import Ref
from hookfetch.core.tracking import FollowRule

_TAGS = "refs/tags/"
_REPLAY = re.compile(r"~\d+(?=#)")

# How the engine is named among those who tell of a rewrite; others by the id of the event that tells.
ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """An element was warned that a ref it follows was rewritten or removed.

    `before` and `after` are object names, `target` the commit behind `after`; None where there
    is none or it is not known. While `held`, the element does not go along; once `past`, it has moved
    on. `told_by` are all who told of it so far; `number` counts alarms, 0 for one not yet raised.
    """

    element: str
    repository: str
    ref: str
    kind: AlarmKind
    before: str | None
    after: str | None
    target: str | None
    held: bool
    past: bool = False
    told_by: tuple[str, ...] = ()
    number: int = 0

    @property
    def removed(self) -> bool:
        """Return whether the ref is gone."""
        return self.kind in ("branch_deleted", "tag_deleted")

    def is_told_by(self, by: str) -> bool:
        """Return whether the hook or look behind the event `by`, or the engine, told of it."""
        return _teller(by) in map(_teller, self.told_by)


def retold(found: Rewrite, by: str, known: Iterable[Rewrite]) -> Rewrite | None:
    """Return which rewrite, in the order in which alarms were raised, `by` tells of again with what it
    `found`; None for news.

    A hook, the sweep and the engine each tell of one rewrite, in any order, and see one or both of
    its ends. Each tells of it once, or twice in a row (a daily look at what is held), so what the same
    one tells after something else is another: there and back and there again are three. Only a hook
    may be so late that the element has moved on: the others say what is there now.
    """
    told = [other for other in known if _same_ref(found, other)]
    late = by != ENGINE and not by.startswith("sweep/")
    for other in told:
        if late and _original(by) in map(_original, other.told_by):
            return other
    by_it = [other for other in told if other.is_told_by(by)]
    if by_it and _is_repeated(found, by, by_it[-1]):
        return by_it[-1]
    by_others = [other for other in told if other not in by_it]
    open_ones = [other for other in by_others if not other.past]
    groups = (open_ones, by_others) if late else (open_ones,)
    if found.removed:  # where it was before is no help: a look may have seen two changes as one
        return next((other for ones in groups for other in ones), None)
    for ones in groups:
        for is_one in (_meets, _leaves):
            for other in ones:
                if is_one(found, other):
                    return other
    vague = (other for other in open_ones if by == ENGINE or other.told_by[:1] == (ENGINE,))
    return next((other for other in vague if _is_between(found, other)), None)


def _same_ref(one: Rewrite, other: Rewrite) -> bool:
    mine, theirs = (one.element, one.repository, one.ref), (other.element, other.repository, other.ref)
    return mine == theirs and one.removed == other.removed


def _original(by: str) -> str:
    """Return the event of the delivery that was replayed, or `by` itself."""
    return _REPLAY.sub("", by)


def _teller(by: str) -> str:
    """Return the hook behind an event, or the repository that was looked at."""
    return by.rpartition("/")[0] or by


def _is_repeated(found: Rewrite, by: str, last: Rewrite) -> bool:
    """Return whether it is what this one told of last. The engine sees an element that stays behind
    leave the same commit with every further push, and what it told of may be kept with a hook's ends."""
    if last.past:
        return False
    if by == ENGINE and (_leaves(found, last) or _is_between(found, last)):
        return True
    return found.removed or _meets(found, last)


def _meets(one: Rewrite, other: Rewrite) -> bool:
    return bool(_ends(one) & _ends(other))


def _leaves(one: Rewrite, other: Rewrite) -> bool:
    return one.before is not None and one.before == other.before


def _is_between(found: Rewrite, other: Rewrite) -> bool:
    """Return whether both may be the same with other ends, since the engine sees only where an element
    was and where it went: not what began where the other ended."""
    return found.before not in _ends(other)


def _ends(rewrite: Rewrite) -> set[str | None]:
    return {rewrite.after, rewrite.target} - {None}


def rewritten(
    event: BranchPushed | TagPushed | BranchDeleted | TagDeleted, known: Rewrite | None
) -> tuple[AlarmKind, str | None] | None:
    """Return which alarm a fact is and where the ref was before, None when it is none.

    A tag that is made again after it was deleted, elsewhere than before, has moved.
    """
    before = _object(event.before)
    if isinstance(event, BranchDeleted):
        return "branch_deleted", before
    if isinstance(event, TagDeleted):
        return "tag_deleted", before
    if isinstance(event, BranchPushed):
        return ("branch_rewound", before) if event.forced and before is not None else None
    if before is None and known is not None and known.kind == "tag_deleted":
        before = known.before
    after = {_object(event.after), event.target}
    return ("tag_moved", before) if before is not None and before not in after else None


def concerns(follower: Follower, ref: str, before: str | None, seen: RemoteRef | None, current: Ref) -> bool:
    """Return whether a rewrite of `ref`, which pointed at `before` and was `seen` there, is of the
    history that the source is on: always where it can follow nothing else, and where nobody knows."""
    if current is None or not _is_choice(follower.rule, ref):
        return False
    if only_name(follower.rule) is not None:
        return True
    was = {before} if seen is None else {before, seen.oid, seen.commit}
    commits = [commit for commit in was if commit is not None]
    short = ref.rpartition("/")[2]
    described = isinstance(current, str) and current.startswith(f"{short}-") and "-g" in current
    return not commits or described or any(holds(current, commit) for commit in commits)


def supersedes(follower: Follower, ref: str, gone: str) -> bool:
    """Return whether the source takes `ref` rather than the removed `gone`, were that still there."""
    return follower.rule.selects({ref: None, gone: None}) == (ref,) and ref != gone


def only_name(rule: FollowRule) -> str | None:
    """Return the one name below `refs/heads/` or `refs/tags/` that a rule follows, None for a glob
    or several."""
    if len(rule.choices) != 1 or any(not pattern.exact for pattern in rule.choices[0]):
        return None
    names = {pattern.glob for pattern in rule.choices[0]}
    return names.pop() if len(names) == 1 else None


def diverged(
    follower: Follower,
    repository: RepositoryId,
    seen: Mapping[str, RemoteRef] | None,
    *,
    before: Ref,
    after: Ref,
) -> Rewrite | None:
    """Return what it means that a source's new commit does not descend from the one before.

    None for a glob: another branch or tag has another history, and nothing was rewritten. Whether
    it is held is for the policy to say.
    """
    name = only_name(follower.rule)
    if name is None:
        return None
    there = seen or {}
    full = name if name.startswith("refs/") else f"refs/heads/{name}"
    tag = f"{_TAGS}{name}"
    is_tag = full.startswith(_TAGS) or (tag in there and full not in there)
    return Rewrite(
        element=follower.element,
        repository=repository,
        ref=tag if is_tag and not full.startswith(_TAGS) else full,
        kind="tag_moved" if is_tag else "branch_rewound",
        before=commit_of(before),
        after=commit_of(after),
        target=commit_of(after),
        held=False,
    )


def forbids(rewrite: Rewrite, ref: Ref, descends: bool | None) -> bool:
    """Return whether a held rewrite keeps its element from the new `ref` of a source.

    A branch holds until the new commit is known to descend from the announced one again; a moved
    tag forbids only what it points at now; a removed one forbids falling back to an older one.
    """
    if not rewrite.held:
        return False
    if rewrite.kind in ("branch_rewound", "branch_deleted"):
        return descends is not True
    if rewrite.kind == "tag_moved":
        return any(end is not None and holds(ref, end) for end in (rewrite.after, rewrite.target))
    return True


def _is_choice(rule: FollowRule, ref: str) -> bool:
    return bool(rule.selects({ref: None}))


def _object(name: str | None) -> str | None:
    """Return an object's name; None for what forges send where there is no object."""
    return None if name is None or not name.strip("0") else name
