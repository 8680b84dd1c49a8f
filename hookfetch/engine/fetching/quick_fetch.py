"""Fetch a few refs into a bare mirror without git's processes, where that is possible; it never deletes
anything, and does nothing where it is not. Only for who holds the mirror alone."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pygit2 import GitError

from hookfetch.engine.fetching.packs import Unsuited, commits_of, point, store
from hookfetch.engine.fetching.wire import NotThisWay, Wire

_wire = Wire()


def fetch_quickly(mirror: Path, url: str, wanted: Mapping[str, str], refs: Mapping[str, str]) -> bool:
    """Have each full ref of `wanted` name what the ref, or the commit, beside it is at `url`, of which `refs`
    are known; return False if git has to do it, or the rest of it."""
    if (mirror / "shallow").exists():
        return False  # where its history ends is for git to tell and to be told
    try:
        for ref, what in wanted.items():
            answer = _wire.fetch(url, refs.get(what, what), partial(commits_of, mirror, ref))
            if answer.pack:
                store(mirror, answer.pack)
            point(mirror, ref, answer.tip)
    except (NotThisWay, Unsuited, GitError, OSError, ValueError):  # the last: of a URL or a name that is none
        return False  # git says what is wrong, if anything is
    return True
