"""Was an upstream's history rewritten? Asked of the mirrors that the source plugins keep, after fetching.

It reads, fetches nothing, and what cannot be known in time is not said: it never fails a job, and
holds it up for `SECONDS` at most.
"""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import JsonValue

from hookfetch.core.refs import commit_of, to_json
from hookfetch.engine.mirrors import mirror_of

_log = structlog.get_logger(__name__)

# For all sources of an element together. Git reads some 100,000 commits a second, and all of them
# only where the two are far apart or unrelated: a push is answered in milliseconds.
SECONDS = 10.0

_KEEP_MIRRORS = frozenset({"git", "git_repo", "git_tag"})

_Keys = Mapping[str, JsonValue] | None


def descends(sources: Sequence[Any], before: Sequence[_Keys], after: Sequence[_Keys]) -> dict[int, bool]:
    """Return by index whether each git source's commit `after` descends from the one `before`; a
    source that did not move, of which a commit is not in its mirror, or whose history is too long
    to be read in time, is absent."""
    found = {}
    deadline = time.monotonic() + SECONDS
    for index, (source, old, new) in enumerate(zip(sources, before, after, strict=True)):
        ends = commit_of(to_json(old)), commit_of(to_json(new))
        if None in ends or ends[0] == ends[1]:
            continue
        try:
            mirror = mirror_of(source) if source.get_kind() in _KEEP_MIRRORS else None
            answer = None
            if mirror is not None and (left := deadline - time.monotonic()) > 0:
                answer = _descends(mirror, str(ends[0]), str(ends[1]), left)
        except subprocess.TimeoutExpired:
            _log.warning("ancestry unknown", source=str(source), reason=f"not known within {SECONDS:g} s")
            continue
        except Exception as error:  # noqa: BLE001 - plugins and damaged mirrors raise anything; the job is done
            _log.warning("ancestry unknown", source=str(source), reason=f"{type(error).__name__}: {error}")
            continue
        if answer is not None:
            found[index] = answer
    return found


def _descends(mirror: Path, old: str, new: str, seconds: float) -> bool | None:
    """Return whether commit `new` descends from `old`, None where that cannot be known; both are hex.

    A process, since libgit2's walk cannot be broken off. Replacements come with a mirrored upstream's
    refs, and would let it say whatever it likes of its history.
    """
    if not mirror.is_dir() or (mirror / "shallow").exists():
        return None
    done = subprocess.run(
        ["git", "--no-replace-objects", f"--git-dir={mirror}", "merge-base", "--is-ancestor", old, new],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=seconds,
        check=False,
    )
    return {0: True, 1: False}.get(done.returncode)  # else one of them is not there
