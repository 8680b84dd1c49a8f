"""BuildStream refs as values: what commit does one hold? Pure."""

import re

from hookfetch.core.sources import Ref

_COMMIT = re.compile(r"(?:^|-g)([0-9a-f]{40}|[0-9a-f]{64})$")


def holds(ref: Ref, commit: str) -> bool:
    """Return whether `ref` names `commit`: the id itself, the end of a `git describe`
    (`v1.2-3-g<id>`), or either of them anywhere in a list or mapping."""
    if isinstance(ref, str):
        return ref == commit or ref.endswith(f"-g{commit}")
    if isinstance(ref, list):
        return any(holds(item, commit) for item in ref)
    if isinstance(ref, dict):
        return any(holds(item, commit) for item in ref.values())
    return False


def commit_of(ref: Ref) -> str | None:
    """Return the one commit that a git source's `ref` is at, None where it is not so written."""
    if isinstance(ref, dict):
        ref = ref.get("ref")
    found = _COMMIT.search(ref) if isinstance(ref, str) else None
    return None if found is None else found[1]
