"""Was an upstream's history rewritten? Asked of the mirrors that the source plugins keep, after fetching.

It reads, fetches nothing, and what cannot be known is not said: it never fails a job.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pygit2
import structlog
from pydantic import JsonValue

from hookfetch.core.refs import commit_of
from hookfetch.engine.refs import to_json

_log = structlog.get_logger(__name__)

_Keys = Mapping[str, JsonValue] | None


def descends(sources: Sequence[Any], before: Sequence[_Keys], after: Sequence[_Keys]) -> dict[int, bool]:
    """Return by index whether each git source's commit `after` descends from the one `before`; a
    source that did not move, or of which a commit is not in its mirror, is absent."""
    found = {}
    for index, (source, old, new) in enumerate(zip(sources, before, after, strict=True)):
        ends = commit_of(to_json(old)), commit_of(to_json(new))
        if None in ends or ends[0] == ends[1]:
            continue
        try:
            mirror = _mirror(source)
            answer = None if mirror is None else _descends(mirror, str(ends[0]), str(ends[1]))
        except Exception as error:  # noqa: BLE001 - plugins and damaged mirrors raise anything; the job is done
            _log.warning("ancestry unknown", source=str(source), reason=f"{type(error).__name__}: {error}")
            continue
        if answer is not None:
            found[index] = answer
    return found


def _mirror(source: Any) -> Path | None:
    if source.get_kind() == "git_repo":
        (plugin,) = source.get_source_fetchers()
        return Path(plugin.mirror_dir)
    if source.get_kind() in ("git", "git_tag"):
        return Path(source.mirror.mirror)
    return None


def _descends(mirror: Path, old: str, new: str) -> bool | None:
    if not mirror.is_dir():
        return None
    repository = pygit2.Repository(str(mirror))
    if repository.is_shallow or old not in repository or new not in repository:
        return None
    return repository.descendant_of(new, old)
