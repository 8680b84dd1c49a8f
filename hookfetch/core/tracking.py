"""What does a source follow upstream? One rule per source kind, read as its plugin reads `track`.

Pure. A rule never misses a ref that tracking would choose; it may match one that tracking then
does not choose, for that costs one look at the upstream. Kinds without a rule here follow no
git ref: archives are files (`core.files`), and git_module, cargo2 and the like are tracked with
their whole element, whose git source is followed (a git_module's own URL is not: its ref is
what the tree of the source before it says).

What is followed is the commit that tracking takes, not its name: a tag that only changes the
`git describe` of the same commit moves nothing. Rules are those of buildstream-plugins 2.5
(git) and buildstream-plugins-community 2.4 (git_repo, git_tag).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from hookfetch.core.refpatterns import RefPattern, version_key
from hookfetch.core.sources import Source

_HEADS_AND_TAGS = ("refs/heads/", "refs/tags/")
_ANY_TAG = RefPattern(("refs/tags/",), "*")
# gitrevisions(7): what stands before the first of these names the ref.
_REVISION_SUFFIX = re.compile(r"[~^:]|@\{")
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRule:
    """The refs of a repository that can move a source.

    Tracking chooses one of each group in `choices`: the newest version if `newest`, else the
    first name in a group's order that exists. `tags` are refs that can change the outcome
    without being the choice (a tag on the branch); `excluded` are never matched.
    """

    choices: tuple[tuple[RefPattern, ...], ...]
    newest: bool = False
    tags: tuple[RefPattern, ...] = ()
    excluded: tuple[RefPattern, ...] = ()
    excluded_tags: tuple[RefPattern, ...] = ()

    def matches(self, ref: str) -> bool:
        """Return whether a change of the full ref `ref` can move the source."""
        if self._is_choice(ref):
            return True
        return _any(self.tags, ref) and not _any(self.excluded_tags, ref)

    def _is_choice(self, ref: str) -> bool:
        return any(_any(group, ref) for group in self.choices) and not _any(self.excluded, ref)

    def ref_prefixes(self) -> tuple[str, ...]:
        """Return literal beginnings that together every matching ref has one of, none covered by another."""
        patterns = [pattern for group in self.choices for pattern in group]
        return covering(prefix for pattern in (*patterns, *self.tags) for prefix in pattern.prefixes())

    def selects(self, refs: Mapping[str, object]) -> tuple[str, ...]:
        """Return those of `refs` that tracking would take now: one ref, or one of each group where
        tracking compares the commits of several branches; none where nothing matches."""
        chosen = (self._choose(group, refs) for group in self.choices)
        return tuple(dict.fromkeys(ref for ref in chosen if ref is not None))

    def _choose(self, group: tuple[RefPattern, ...], refs: Mapping[str, object]) -> str | None:
        if not self.newest:
            names = (name for pattern in group for name in pattern.names)
            return next((name for name in names if name in refs), None)
        matching = (ref for ref in refs if _any(group, ref) and not _any(self.excluded, ref))
        return max(matching, key=version_key, default=None)


def rules(source: Source) -> FollowRule | None:
    """Return what `source` follows, or None when it is pinned or of a kind that follows no git ref."""
    make = _KINDS.get(source.kind)
    track = source.track.get("track")
    if make is None or not isinstance(track, str) or not track:
        return None
    return make(track, source.track)


def covering(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Return `prefixes` sorted, without those that another one of them begins."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)


def _any(patterns: Iterable[RefPattern], ref: str) -> bool:
    return any(pattern.matches(ref) for pattern in patterns)


def _git_repo(track: str, keys: Mapping[str, JsonValue]) -> FollowRule:
    """git_repo: the newest version among the branches and tags that match, without `exclude`."""
    return FollowRule(
        choices=((_glob(track),),),
        newest=True,
        excluded=tuple(_glob(pattern) for pattern in _strings(keys.get("exclude"))),
    )


def _git(track: str, keys: Mapping[str, JsonValue]) -> FollowRule | None:
    """git: what `git rev-list -n 1 <track>` finds in a mirror of the branches and tags; with
    `track-tags` the tags on the branch are part of the ref."""
    group = _revision(track)
    if group is None:
        return None
    return FollowRule(choices=(group,), tags=(_ANY_TAG,) if _is_true(keys.get("track-tags")) else ())


def _git_tag(track: str, keys: Mapping[str, JsonValue]) -> FollowRule | None:
    """git_tag: the newest commit of several branches, or with `track-tags` their newest tag.

    Which tag that is depends on the history, so the branches stand for it.
    """
    branches = (track, *_strings(keys.get("track-extra")))
    groups = tuple(group for group in map(_revision, branches) if group is not None)
    if not groups:
        return None
    if not _is_true(keys.get("track-tags")):
        return FollowRule(choices=groups)
    excluded = filter(_is_fnmatch, _strings(keys.get("exclude")))
    return FollowRule(
        choices=groups,
        tags=tuple(map(_wildmatch, _strings(keys.get("match")))) or (_ANY_TAG,),
        excluded_tags=tuple(map(_wildmatch, excluded)),
    )


_KINDS: Mapping[str, Callable[[str, Mapping[str, JsonValue]], FollowRule | None]] = {
    "git": _git,
    "git_repo": _git_repo,
    "git_tag": _git_tag,
}


def _glob(pattern: str) -> RefPattern:
    return RefPattern(("",) if pattern.startswith("refs/") else _HEADS_AND_TAGS, pattern)


def _revision(revision: str) -> tuple[RefPattern, ...] | None:
    """Return the names that git tries for a revision, in its order, as far as a mirror can hold them;
    None when the revision names no ref."""
    name = _REVISION_SUFFIX.split(revision, maxsplit=1)[0]
    if name in ("HEAD", "@"):
        return (RefPattern(("refs/heads/",), "*"),)  # the mirror's HEAD: one of the branches
    if not name or name.startswith("-") or _OBJECT_ID.fullmatch(name):
        return None
    roots = ("refs/", "refs/tags/", "refs/heads/")
    return (RefPattern(("", *roots) if name.startswith("refs/") else roots, name),)


def _wildmatch(pattern: str) -> RefPattern:
    """Return a `git describe --match` glob, widened where git's wildmatch can do more than fnmatch."""
    if not _is_fnmatch(pattern):
        pattern = re.split(r"[*?\[\\]", pattern, maxsplit=1)[0] + "*"
    return RefPattern(("refs/tags/",), pattern)


def _is_fnmatch(pattern: str) -> bool:
    return "\\" not in pattern and "[^" not in pattern and "[:" not in pattern


def _strings(value: JsonValue) -> tuple[str, ...]:
    """Return a list's strings; a plugin refuses anything else when the project loads."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _is_true(value: JsonValue) -> bool:
    return value is True or value in ("True", "true")
