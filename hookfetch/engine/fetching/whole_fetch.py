"""Fetch all branches and tags of an upstream into a mirror without git's processes, where little has moved.
Only for who holds the mirror alone.
"""

from collections.abc import Mapping
from pathlib import Path

from pygit2 import GitError

from hookfetch.cas.directories import Unsuited
from hookfetch.cas.git_objects import GitObjects
from hookfetch.engine.fetching.quick_fetch import fetch_quickly

_FEW = 8  # refs: each is asked for by itself


def fetch_all_quickly(mirror: Path, url: str, refs: Mapping[str, str]) -> bool:
    """Have the branches and tags of a mirror be what `refs`, all that there are, say that those at `url` are;
    return False if git has to do it, or the rest of it. Nothing is deleted: that is git's as well."""
    branches_and_tags = {
        ref: at
        for ref, at in refs.items()
        if ref.startswith(("refs/heads/", "refs/tags/")) and not ref.endswith("^{}")
    }
    if not branches_and_tags:
        return False
    try:
        with GitObjects(mirror) as objects:
            known = {ref: at.hex() for ref, at in objects.heads_and_tags().items()}
            shallow = objects.shallow
    except (GitError, Unsuited):
        return False  # git says what is wrong with it
    moved = [ref for ref, at in branches_and_tags.items() if known.get(ref) != at]
    if shallow or len(moved) > _FEW or not known.keys() <= branches_and_tags.keys():
        return False
    return fetch_quickly(mirror, url, {ref: ref for ref in moved}, refs)
