"""Describe a commit by its nearest tag, as git-describe(1) does, without a process. Reads a mirror alone.

Only where there is no choice: one line of commits back to the first that has a tag, and that one has only
one. All else is left to git.
"""

import re

from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_trees import parents_of

_TAG = re.compile(rb"object ([0-9a-f]{40})\ntype commit\ntag (.+)\n")
_MAX_COMMITS = 2_000
_MAX_TAGS = 5_000


def describe(objects: GitObjects, commit: bytes) -> str | None:
    """Return what `git describe --tags --abbrev=40 --long` says of a commit, `""` if it says that there is no
    tag at all; None when git has to be asked. KeyError when an object is not there."""
    if objects.rewritten:
        return None
    tags = _tags(objects)
    if not tags:
        return None if tags is None else ""
    at = commit
    for count in range(_MAX_COMMITS):
        names = tags.get(at)
        if names is not None:
            # Of several, git prefers by kind, date and place.
            return f"{names[0]}-{count}-g{commit.hex()}" if len(names) == 1 else None
        parents = parents_of(objects.read(at)[1])
        if len(parents) != 1:
            return None
        (at,) = parents
    return None


def _tags(objects: GitObjects) -> dict[bytes, list[str]] | None:
    """Return the names of the tags at each commit; None when git may call one otherwise."""
    found: dict[bytes, list[str]] = {}
    refs = objects.heads_and_tags()
    tags = {ref.removeprefix("refs/tags/"): at for ref, at in refs.items() if ref.startswith("refs/tags/")}
    if len(tags) > _MAX_TAGS:
        return None
    for name, at in tags.items():
        kind = objects.kind(at)
        if kind == "commit":
            found.setdefault(at, []).append(name)
        elif kind == "tag":
            annotated = _TAG.match(objects.read(at)[1])
            if annotated is None or annotated[2] != name.encode():
                return None
            found.setdefault(bytes.fromhex(annotated[1].decode()), []).append(name)
        else:
            return None
    return found
