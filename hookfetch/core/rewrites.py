"""History that was rewritten or removed upstream: when is it worth an alarm, and what does it hold? Pure."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """An element was warned that a ref it follows was rewritten or removed, and did not move on since.

    `before` and `after` are object names, `target` the commit behind `after`; None where there
    is none or it is not known. While `held`, the element does not go along.
    """

    element: str
    repository: str
    ref: str
    kind: AlarmKind
    before: str | None
    after: str | None
    target: str | None
    held: bool

    @property
    def removed(self) -> bool:
        """Return whether the ref is gone."""
        return self.kind in ("branch_deleted", "tag_deleted")


def told(rewrite: Rewrite, known: Iterable[Rewrite]) -> bool:
    """Return whether the element was warned of this already, by whomever: a hook, the sweep and the
    engine each tell a rewrite, and may see one or both of its ends."""
    return any(_same(rewrite, other) for other in known)


def _same(one: Rewrite, other: Rewrite) -> bool:
    if (one.element, one.repository, one.ref) != (other.element, other.repository, other.ref):
        return False
    if one.removed or other.removed:
        return one.removed and other.removed
    ends = {one.after, one.target} & {other.after, other.target}
    return bool(ends - {None})


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
