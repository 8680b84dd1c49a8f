"""BuildStream refs as values: what commit does one hold? Pure."""

from hookfetch.core.sources import Ref


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
